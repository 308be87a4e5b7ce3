#!/bin/sh
# Deploy hook in the style of acme.sh, which reads it and calls postern_deploy. Copy it to
# ~/.acme.sh/deploy/postern.sh, and tell where install.sh is:
#
#   acme.sh --issue -w DATA-DIR/webroot -d mail.example.com
#   POSTERN_INSTALL=/opt/postern/scripts/hooks/install.sh \
#       acme.sh --deploy -d mail.example.com --deploy-hook postern
#
# install.sh says what else the environment may set; a renewal by cron needs it as well.

# postern_deploy DOMAIN KEY CERTIFICATE CA FULLCHAIN: the paths of the files.
postern_deploy() {
	"${POSTERN_INSTALL:-/opt/postern/scripts/hooks/install.sh}" "$5" "$2"
}
