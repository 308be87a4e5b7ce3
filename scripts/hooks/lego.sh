#!/bin/sh
# Hook of lego for new and renewed certificates: gives them to the gateway (install.sh,
# which says what the environment may set). The gateway answers the authority from its
# webroot:
#
#   lego run --domains mail.example.com --http --http.webroot DATA-DIR/webroot \
#       --deploy-hook /opt/postern/scripts/hooks/lego.sh
#
# Before version 5 the option was --run-hook of "lego run" and --renew-hook of "lego renew",
# and the files were named by LEGO_CERT_PATH and LEGO_CERT_KEY_PATH; that is read as well.
set -eu
certificates=${LEGO_HOOK_CERT_PATH:-${LEGO_CERT_PATH:?lego sets it for hooks}}
key=${LEGO_HOOK_CERT_KEY_PATH:-${LEGO_CERT_KEY_PATH:?lego sets it for hooks}}
exec "$(dirname "$0")/install.sh" "$certificates" "$key"
