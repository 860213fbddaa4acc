/** What `countersign help` prints, as a whole and for one command. */

export const USAGE = `countersign: a pull-through registry proxy that serves only what is signed by someone you trust

  countersign serve [--config FILE]          run the proxy
  countersign verify REF [--config FILE] [--json]
                                             decide about one image as the proxy would, and say why;
                                             exit code 0 admitted, 1 denied, 2 usage or configuration, 3 undetermined
  countersign verify-bundle --bundle FILE (--key FILE | --certificate-identity ID --certificate-oidc-issuer URL)
      [--trusted-root FILE] [--verify-at TIME] FILE_OR_sha256:DIGEST
                                             decide about one Sigstore bundle; exit code 0 valid, 1 not, 2 usage
  countersign mirror REF_OR_LIST… [--platform OS/ARCH]… [--jobs N] [--json] [--config FILE]
                                             fetch and verify images ahead of time, * in a tag stands for any characters;
                                             a LIST is a file, of lines or YAML; exit code 1 if any was refused, 3 if any
                                             could not be had, 130 when interrupted
  countersign export REF_OR_LIST… -o BUNDLE.tar [--platform OS/ARCH]… [--key KEY] [--jobs N] [--json] [--config FILE]
                                             as mirror does, into an OCI image layout with all that is attached and needed to
                                             verify it, sealed with a key; - is the standard output
  countersign import BUNDLE [--config FILE] [--as REF] [--dry-run] [--json]
  countersign import BUNDLE --show | --extract DIR
                                             take what an export brings, decided by this side's own rules; BUNDLE is a
                                             tar, a folder or -; exit code 1 if anything was refused, 3 if anything could
                                             not be decided or written
  countersign config check FILE              name every mistake in a configuration
  countersign pins list [--json] | show REF [--json]
                                             what tags mean here, and since when
  countersign pins freeze REF | unfreeze REF | move REF DIGEST | allow-rollback REF [DIGEST]
                                             the operator's word about a tag, also while the proxy runs
  countersign pins export FILE | import FILE | diff FILE
                                             a lock file of what tags mean, - for the terminal; diff asks upstream,
                                             exit code 1 if something there differs, 3 if it cannot be asked
  countersign approve REF --key KEY [--note TEXT] [--expires 2026-12-31|TIME|30d] [--yes]
                                             sign an image with a key of your own, for rules that ask for it; KEY is a
                                             PEM file, env://VARIABLE, hashivault://KEY or awskms:///KEY
  countersign revoke REF [--key-fingerprint SHA256|all] [--reason TEXT]
                                             take it back, from the next request on
  countersign approvals list [--json] | public-key --key KEY
                                             what was approved here; a key's public half for trustRoots
  countersign cache stats [--json]           what is in the cache, and what was pulled last
  countersign cache scrub [--rate SIZE]      hash everything in the cache again, 64MiB a second unless told, 0 for as
                                             fast as it goes; damage is removed; exit code 1 if there was any
  countersign cache gc [--dry-run]           remove what no decision names and what was left unfinished

Without --config the shipped config/countersign.yaml is used.`;

/** What it says of one command, and where another configuration is named; all of it for what is no command. */
export function usageOf(command: string | undefined): string {
  const [title = '', ...sections] = USAGE.split(/\n+(?= {2}countersign |Without )/);
  const meant = sections.filter((one) => one.split(/\s+/, 3)[2] === command);
  if (meant.length === 0) return USAGE;
  return [title, '', ...meant, '', sections.at(-1)].join('\n');
}
