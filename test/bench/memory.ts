/** The memory of a process and its children, as the kernel counts it. */
import { readFileSync } from 'node:fs';

/** MiB at most so far. */
export function peakMemory(pid: number): number {
  return sum(pid, 'VmHWM');
}

/** MiB at this moment. */
export function memoryNow(pid: number): number {
  return sum(pid, 'VmRSS');
}

/** A worker process is part of its server; memory that both map counts twice, which is little. */
function sum(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kibibytes = Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  const rest = children === '' ? [] : children.split(' ').map(Number);
  return rest.reduce((total, child) => total + sum(child, field), kibibytes / 1024);
}
