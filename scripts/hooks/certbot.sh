#!/bin/sh
# Deploy hook of certbot: gives each new certificate to the gateway (install.sh, which says
# what the environment may set). The gateway answers the authority from its webroot:
#
#   certbot certonly --webroot -w DATA-DIR/webroot -d mail.example.com \
#       --deploy-hook /opt/postern/scripts/hooks/certbot.sh
#
# certbot remembers the hook and runs it after each renewal.
set -eu
: "${RENEWED_LINEAGE:?certbot sets it for deploy hooks}"
exec "$(dirname "$0")/install.sh" "$RENEWED_LINEAGE/fullchain.pem" "$RENEWED_LINEAGE/privkey.pem"
