#!/usr/bin/env bash
# Makes the round of xmlrpc.sh with curl, and sends what no library would send.
#
# Call: xmlrpc_tour_curl.sh URL FOLDER. Logs in, imports a PKCS #12 file, activates it,
# lists, makes a multicall, and hears every fault of FOLDER/faults.tsv. Prints "ok" or
# "FAIL" and a text, a line for each thing that was checked.
set -euo pipefail
url=$1 folder=$2 reply=

# check TEXT PATTERN: whether the reply has it.
check() {
	if [[ $reply =~ $2 ]]; then
		echo "ok curl $1"
	else
		echo "FAIL curl $1: ${reply//$'\n'/ }"
	fi
}

# post [TYPE]: sends a body; spaces between the elements of the reply are dropped.
post() { reply=$(curl -sS --max-time 60 -H "Content-Type: ${1:-text/xml}" --data-binary @- "$url" | tr -d '\n' | sed 's/> *</></g'); }

member() { printf '<member><name>%s</name><value><%s>%s</%s></value></member>' "$1" "$2" "$3" "$2"; }

# as ROLE: the member with the session of the role.
as() {
	case $1 in
	manager) member session string "$manager" ;;
	viewer) member session string "$viewer" ;;
	esac
}

# call METHOD MEMBERS
call() {
	post < <(printf '<?xml version="1.0"?><methodCall><methodName>%s</methodName><params><param><value><struct>%s</struct></value></param></params></methodCall>' "$1" "$2")
}

# log_in ROLE prints a session.
log_in() {
	call session.login "$(member user string '')$(member password string "$(<"$folder/$1")")"
	printf '%s' "$reply" | sed -n 's/.*<param><value><string>\([^<]*\)<.*/\1/p'
}

# value_of MEMBER prints the text of a member of the reply.
value_of() { printf '%s' "$reply" | sed -n "s/.*<name>$1<\/name><value><string>\([^<]*\)<.*/\1/p"; }

# several METHODS... prints the calls of a multicall.
several() {
	local method
	for method; do
		printf '<value><struct><member><name>methodName</name><value>%s</value></member>' "$method"
		printf '<member><name>params</name><value><array><data><value><struct>%s</struct></value></data></array></value></member></struct></value>' "$(as manager)"
	done
}

# argument NAME:TYPE=VALUE
argument() {
	local name=${1%%:*} typed=${1#*:} type
	case ${typed%%=*} in s) type=string ;; i) type=int ;; b) type=base64 ;; esac
	member "$name" "$type" "${typed#*=}"
}

# hears CODE ROLE METHOD ARGUMENTS...
hears() {
	local code=$1 role=$2 method=$3 members argument
	shift 3
	members=$(as "$role")
	for argument; do
		members+=$(argument "${argument/'{active}'/$id}")
	done
	call "$method" "$members"
	check "hears $code from $method" "<name>faultCode</name><value><int>$code</int>"
}

manager=$(log_in manager) viewer=$(log_in viewer)
reply=$manager
check 'logs in' '^.{32,}$'

call certificate.import_pkcs12 "$(as manager)$(member password string interop)$(member pkcs12 base64 "$(base64 "$folder/curl.p12")")"
check 'imports PKCS #12' '<name>state</name><value><string>inactive<'
id=$(value_of id)
call certificate.activate "$(as manager)$(member id string "$id")"
check 'activates it' '<name>applied</name><value><boolean>1<'
call certificate.list "$(as manager)"
check 'lists it as active' "<string>$id<.*<string>active<"
post <<<"<methodCall><methodName>system.multicall</methodName><params><param><value><array><data>$(
	several gateway.default_fqdn certificate.active no.such_method
)</data></array></value></param></params></methodCall>"
check 'makes a multicall' "gateway\.example.*$id.*<int>-32601</int>"

while IFS=$'\t' read -ra columns; do
	hears "${columns[@]}"
done <"$folder/faults.tsv"

# raw CODE TEXT [TYPE]: what is no call at all.
raw() {
	post "${3-}"
	check "hears $1 for $2" "<name>faultCode</name><value><int>$1</int>"
}
call='<methodCall><methodName>system.listMethods</methodName></methodCall>'
raw -32700 'an element that is not closed' <<<'<methodCall><methodName>system.listMethods</methodName>'
raw -32701 'a character set that is not read' 'text/xml; charset=koi8-r' <<<"$call"
raw -32600 'XML that is no call' <<<'<methodResponse/>'
raw -32600 'a document type' <<<"<!DOCTYPE methodCall [<!ENTITY e 'x'>]>$call"
raw -32600 'another content type' application/json <<<'{}'
{
	printf '<methodCall><methodName>system.listMethods</methodName><params>'
	printf '%0100000d' 0 | sed 's/0/<param><value>0<\/value><\/param>/g'
	printf '</params></methodCall>'
} | raw -32600 'a body without end'
