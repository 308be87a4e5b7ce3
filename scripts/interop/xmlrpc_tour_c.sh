#!/usr/bin/env bash
# Makes the round of xmlrpc.sh with the command of xmlrpc-c, by position and HTTP Basic.
#
# Call: xmlrpc_tour_c.sh URL FOLDER. Imports a PKCS #12 file, activates it, lists, and hears
# every fault of FOLDER/faults.tsv. The command cannot send structs, so it makes no
# multicall. Prints "ok" or "FAIL" and a text, a line for each thing that was checked.
set -euo pipefail
url=$1 folder=$2 reply=

# check TEXT PATTERN: whether the reply has it.
check() {
	if [[ $reply =~ $2 ]]; then
		echo "ok xmlrpc-c $1"
	else
		echo "FAIL xmlrpc-c $1: ${reply//$'\n'/ }"
	fi
}

# call ROLE METHOD ARGUMENTS... A fault is a reply as well.
call() {
	local role=$1 credentials=()
	shift
	if [[ $role != nobody ]]; then
		credentials=(-username=script "-password=$(<"$folder/$role")")
	fi
	reply=$(xmlrpc "$url" "$@" "${credentials[@]}" 2>&1) || true
}

# value_of MEMBER prints the text of a member of the reply.
value_of() { sed -n "/Key: *String: '$1'/{n;s/ *Value: *String: '\(.*\)'/\1/p}" <<<"$reply"; }

# argument TYPE=VALUE: base64 is told in hexadecimal.
argument() {
	local value=${1#*=}
	case ${1%%=*} in
	b) printf 'h/%s' "$(base64 -d <<<"$value" | xxd -p | tr -d '\n')" ;;
	*) printf '%s/%s' "${1%%=*}" "$value" ;;
	esac
}

# hears CODE ROLE METHOD ARGUMENTS...
hears() {
	local code=$1 role=$2 method=$3 arguments=() argument
	shift 3
	for argument; do
		argument=${argument/'{active}'/$id}
		arguments+=("$(argument "${argument#*:}")")
	done
	call "$role" "$method" "${arguments[@]}"
	check "hears $code from $method" "fault code ${code}[^0-9]"
}

call nobody session.login s/ "s/$(<"$folder/manager")"
check 'logs in' "String: '.{32,}'"
call manager certificate.import_pkcs12 "h/$(xxd -p "$folder/c.p12" | tr -d '\n')" s/interop
check 'imports PKCS #12' inactive
id=$(value_of id)
call manager certificate.activate "s/$id"
check 'activates it' "'active'"
call manager certificate.list
check 'lists it as active' "$id"
while IFS=$'\t' read -ra columns; do
	hears "${columns[@]}"
done <"$folder/faults.tsv"
