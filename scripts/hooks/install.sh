#!/bin/sh
# Makes a certificate that an ACME client has got the active one of a gateway. The hooks
# of this folder call it; it needs curl.
#
#   install.sh CERTIFICATES KEY    PEM files: the certificate with its chain, and the key
#
# From the environment:
#   POSTERN_TOKEN_FILE  a token of the role certificate_manager, alone in a file
#                       (/etc/postern/hook.token)
#   POSTERN_SERVER      the gateway (http://127.0.0.1:8025/RPC2); over a network, https://
#   POSTERN_SERVER_CA   who signed its certificate, where this machine does not trust it
#
# Exit status: 0 handshakes use the certificate; 1 wrong usage; 2 the gateway refused or
# did not answer; 4 the certificate is active, but handshakes do not use it yet.
set -eu
umask 077

server=${POSTERN_SERVER:-http://127.0.0.1:8025/RPC2}
token_file=${POSTERN_TOKEN_FILE:-/etc/postern/hook.token}

fail() {
	echo "install.sh: $2" >&2
	exit "$1"
}

# call METHOD MEMBERS prints the reply in one line. Token and key go by standard input:
# others may read a command line.
call() {
	{
		printf 'header = "Authorization: Bearer %s"\n' "$token"
		printf 'data-binary = "<methodCall><methodName>%s</methodName><params><param><value><struct>%s</struct></value></param></params></methodCall>"\n' \
			"$1" "$2"
	} | curl -sS --proto =http,https --max-time 60 -H 'Content-Type: text/xml' \
		${POSTERN_SERVER_CA:+--cacert "$POSTERN_SERVER_CA"} --config - "$server" | tr -d '\n'
}

# member NAME FILE: PEM as curl's configuration wants it, line ends written out.
member() {
	printf '<member><name>%s</name><value><string>' "$1"
	grep -v '^[^A-Za-z0-9+/=-]*$' "$2" | tr -d '\r"\\<>&' | awk '{ printf "%s\\n", $0 }'
	printf '</string></value></member>'
}

# value NAME REPLY
value() { printf '%s\n' "$2" | sed -n "s/.*<name>$1<\/name> *<value> *<[a-z0-9]*>\([^<]*\)<.*/\1/p"; }

# succeed METHOD REPLY
succeed() {
	case $2 in
	*'<fault>'*) fail 2 "$1: the gateway refuses: $(value faultCode "$2") $(value faultString "$2")" ;;
	*'<methodResponse>'*) ;;
	*) fail 2 "$1: no answer from $server" ;;
	esac
}

[ $# -eq 2 ] || fail 1 'two files are needed: certificates, key'
for file in "$1" "$2" "$token_file"; do
	[ -r "$file" ] || fail 1 "cannot read $file"
done
case $server in
https://* | http://127.* | http://localhost[:/]* | 'http://[::1]'*) ;;
*) fail 1 'the token and the key go over a network by https:// only' ;;
esac
token=$(tr -cd 'A-Za-z0-9_.-' <"$token_file")

reply=$(call certificate.import_pem "$(member certificate "$1")$(member private_key "$2")") || fail 2 "no answer from $server"
succeed certificate.import_pem "$reply"
id=$(value id "$reply")
reply=$(call certificate.activate "<member><name>id</name><value><string>$id</string></value></member>") || fail 2 "no answer from $server"
succeed certificate.activate "$reply"
[ "$(value applied "$reply")" = 1 ] || fail 4 "certificate $id is active, but handshakes do not use it yet"
echo "certificate $id is in force"
