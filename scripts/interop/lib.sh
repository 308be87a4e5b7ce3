# shellcheck shell=bash
# What the scripts of this folder share. They run the built gateway on loopback
# against mail programs that other people wrote, and count what came out.
#
#   KEEP=1      leave the working directory behind, and say where it is
#   RACE=1      build the gateway with the race detector
#   TALLY=file  add the counts of this script to the file as well
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/postern-interop.XXXXXX")
passed=0 failed=0
# Process ids; empty while they do not run.
gateway='' sink='' load=''

PATH=$PATH:/usr/sbin # smtp-source and smtp-sink live there

# The flags of "postern serve" are ours to choose, not the environment's.
unset "${!POSTERN_@}"

# --- telling and counting ---------------------------------------------------

say() { printf '      %s\n' "$*"; }
ok() {
	passed=$((passed + 1))
	printf 'ok    %s\n' "$*"
}
fail() {
	failed=$((failed + 1))
	printf 'FAIL  %s\n' "$*"
}

# check TEXT COMMAND...: the command decides; what it printed explains a failure
# and sums up a success.
check() {
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then
		ok "$text${out:+: ${out%%$'\n'*}}"
	else
		fail "$text"
		printf '        %s\n' "${out//$'\n'/$'\n        '}"
	fi
}

# succeeds TEXT COMMAND...: for commands that end a job of this shell, which check
# cannot run: it runs them in a shell of their own.
succeeds() {
	local text=$1 status=0
	shift
	"$@" || status=$?
	if ((status == 0)); then
		ok "$text"
	else
		fail "$text: exit status $status"
	fi
}

# equals TEXT WANT GOT
equals() {
	if [[ $2 == "$3" ]]; then
		ok "$1: $3"
	else
		fail "$1: got '$3', want '$2'"
	fi
}

# until_true SECONDS COMMAND...: polls until the command succeeds.
until_true() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS >= deadline)); then
			return 1
		fi
		sleep 0.05
	done
}

# The background jobs of this shell are what it started, and nothing else is
# ended here.
clean_up() {
	local status=$? pid
	trap - EXIT
	if ((status != 0)); then
		fail "${0##*/} broke off with exit status $status"
	fi
	for pid in $(jobs -pr); do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	if ((failed > 0)) && [[ -s $work/serve.log ]]; then
		say "last words of the gateway:"
		tail -n 5 "$work/serve.log" | cut -c 1-400
	fi
	if [[ -n ${KEEP-} ]]; then
		say "left behind: $work"
	else
		rm -rf "$work"
	fi
	if [[ -n ${TALLY-} ]]; then
		echo "$passed $failed" >>"$TALLY"
	fi
	echo "${0##*/}: $passed passed, $failed failed"
	exit $((failed > 0))
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- clients in other languages ----------------------------------------------

# relay_verdicts counts what a client of another language found.
relay_verdicts() {
	local verdict text
	while read -r verdict text; do
		case $verdict in
		ok) ok "$text" ;;
		FAIL) fail "$text" ;;
		*) say "$verdict $text" ;;
		esac
	done
}

# run_client TEXT COMMAND: its verdicts, and whether it came to its end.
run_client() {
	local status=0
	"$2" >"$work/verdicts" 2>"$work/client.err" || status=$?
	relay_verdicts <"$work/verdicts"
	if ((status != 0)); then
		fail "$1 comes to its end"
		tail -n 5 "$work/client.err" | sed 's/^/        /'
	fi
}

# --- strangers --------------------------------------------------------------

# need COMMAND PACKAGE: installs a Debian package unless the command is there.
need() { command -v "$1" >/dev/null || install "$2"; }

# need_perl MODULE PACKAGE does the same for a module of Perl.
need_perl() { perl "-M$1" -e 1 2>/dev/null || install "$2"; }

install() {
	local as=()
	if ((EUID != 0)); then
		as=(sudo)
	fi
	local apt=("${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq)
	say "installing $1"
	if ! {
		"${apt[@]}" update
		without_services "${apt[@]}" install --no-install-recommends "$1"
	} >"$work/apt.log" 2>&1; then
		cat "$work/apt.log"
		return 1
	fi
}

# without_services COMMAND...: packages that the command installs start nothing;
# only tools are wanted of them.
without_services() {
	local policy=/usr/sbin/policy-rc.d as=()
	if [[ -e $policy ]]; then
		"$@"
		return
	fi
	if ((EUID != 0)); then
		as=(sudo)
	fi
	printf '#!/bin/sh\nexit 101\n' | "${as[@]}" tee "$policy" >/dev/null
	"${as[@]}" chmod 755 "$policy"
	local status=0
	"$@" || status=$?
	"${as[@]}" rm -f "$policy"
	return "$status"
}

# free_port prints a port on which nobody listens, below those that the system
# gives to clients. It is not given out twice.
free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 10000))
		if mkdir "$work/port.$port" 2>/dev/null && ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
}

# --- Postfix ------------------------------------------------------------------

# postfix_main DIR INSTANCE HOST: the settings that an instance of its own needs.
postfix_main() {
	cat <<-END
		compatibility_level = 3.6
		queue_directory = $1/queue
		data_directory = $1/data
		maillog_file = $1/log
		maillog_file_prefixes = $1
		multi_instance_name = $2
		inet_interfaces = loopback-only
		inet_protocols = ipv4
		myhostname = $3
		mydestination =
		alias_maps =
		local_recipient_maps =
	END
}

# postfix_services: those of master.cf beside the smtpd of each address.
postfix_services() {
	cat <<-END
		postlog unix-dgram n - n - 1 postlogd
		cleanup unix n - n - 0 cleanup
		qmgr unix n - n 300 1 qmgr
		tlsmgr unix - - n 1000? 1 tlsmgr
		rewrite unix - - n - - trivial-rewrite
		bounce unix - - n - 0 bounce
		defer unix - - n - 0 bounce
		trace unix - - n - 0 bounce
		error unix - - n - - error
		anvil unix - - n - 1 anvil
	END
}

# launch_postfix DIR starts the instance that DIR/etc describes; its master is $!. The
# master wants a session of its own; so it stays the process that is started here, and
# a job of this shell.
launch_postfix() {
	chown postfix "$1/data"
	postfix -c "$1/etc" check
	setsid "$(postconf -d -h daemon_directory)/master" -c "$1/etc" -s >>"$1/out" 2>&1 &
}

# start_sink NAME [FLAGS...]: Postfix's smtp-sink becomes the next hop. Each
# message that it takes is a file in $work/sink/NAME.
start_sink() {
	stop_sink
	sink_dir=$work/sink/$1
	mkdir -p "$sink_dir"
	smtp-sink -u "$(id -un)" -d "$sink_dir/%s." "${@:2}" "127.0.0.1:$sink_port" 1000 >>"$work/sink.log" 2>&1 &
	sink=$!
	until_true 10 listens "$sink_port"
}

stop_sink() {
	if [[ -n $sink ]]; then
		kill -TERM "$sink"
		wait "$sink" 2>/dev/null || true
		sink=
	fi
}

# listens PORT [ADDRESS]
listens() { (: <>"/dev/tcp/${2:-127.0.0.1}/$1"); }

# sunk prints how many messages the sink has taken.
sunk() { find "$sink_dir" -type f | wc -l; }

# sunk_lines PATTERN prints those lines of all of them that match.
sunk_lines() { find "$sink_dir" -type f -exec grep -h -e "$1" {} + || true; }

# --- the gateway ------------------------------------------------------------

# Where the gateway and the sink listen.
api_port=$(free_port) public_port=$(free_port) private_port=$(free_port) sink_port=$(free_port)

build() {
	say "building${RACE:+ with the race detector}"
	(cd "$root" && go build ${RACE:+-race} -o "$work/postern" ./cmd/postern && go build -o "$work/ledger" ./scripts/interop/ledger)
}

# start_gateway returns when the gateway is ready.
start_gateway() {
	"$work/postern" serve --data-dir "$work/data" --host-name gateway.example \
		--api "127.0.0.1:$api_port" --inbound-port "$public_port" --outbound-port "$private_port" \
		>>"$work/serve.out" 2>>"$work/serve.log" &
	gateway=$!
	if ! until_true 20 curl -fsS "http://127.0.0.1:$api_port/readyz"; then
		say "the gateway is not ready:"
		curl -sS "http://127.0.0.1:$api_port/readyz" || true
		tail -n 5 "$work/serve.log"
		return 1
	fi
	if [[ ! -e $work/authorization ]]; then
		(umask 077 && sed -n 's/^ *admin token *\([^ ]*\).*/Authorization: Bearer \1/p' "$work/serve.out" >"$work/authorization")
	fi
}

# stop_gateway ends the gateway in good order; its exit status is returned.
stop_gateway() {
	local status=0
	kill -TERM "$gateway"
	wait "$gateway" || status=$?
	gateway=
	return "$status"
}

# kill_gateway gives it no time for anything.
kill_gateway() {
	kill -KILL "$gateway"
	wait "$gateway" 2>/dev/null || true
	gateway=
}

# api METHOD PATH [JSON]: prints the body of the reply. Any status but 2xx fails
# and prints the problem document. Changes are in force when it returns.
api() {
	local method=$1 path=$2 reply status type=application/json
	local request=(-sS --max-time 60 -X "$method" -H "@$work/authorization")
	reply=$(mktemp "$work/reply.XXXXXX")
	if [[ $method == PATCH ]]; then
		type=application/merge-patch+json
	fi
	if (($# > 2)); then
		request+=(-H "Content-Type: $type" --data-binary "$3")
	fi
	status=$(curl "${request[@]}" -D "$reply.head" -o "$reply" -w '%{http_code}' "http://127.0.0.1:$api_port/api/v1$path") || status=000
	if [[ $status != 2* ]]; then
		printf '%s %s: status %s\n%s\n' "$method" "$path" "$status" "$(<"$reply")" >&2
		rm -f "$reply" "$reply.head"
		return 1
	fi
	cat "$reply"
	rm -f "$reply" "$reply.head"
}

# set_api METHOD PATH JSON: a change of which only success is of interest. It is
# in force when this returns.
set_api() { api "$1" "$2?wait=10s" "$3" >/dev/null; }

# relay_to_sink switches TLS on and routes all mail to the sink.
relay_to_sink() {
	set_api PATCH /settings/tls '{"enabled":true}'
	set_api PATCH /listeners/inbound '{"default_policy_parameters":{"tls":"preferred"}}'
	set_api PATCH /listeners/outbound '{"default_policy_parameters":{"tls":"preferred"}}'
	set_api PUT /routes/ALL '{"next_hops":[{"host":"127.0.0.1","port":'"$sink_port"',"priority":0}]}'
}

queue_is_empty() { [[ $(api GET '/messages?limit=1' | jq '.items | length') == 0 ]]; }

# drain SECONDS: waits until nothing is left to be delivered.
drain() {
	if ! until_true "$1" queue_is_empty; then
		echo "the queue is not empty after $1 seconds; its first message:"
		api GET '/messages?limit=1' | jq -c '.items[0]'
		return 1
	fi
}

# queue_id_of reads a session of swaks and prints the queue id that it was told.
queue_id_of() { sed -n 's/^<[-~*]* *250 .*queued as \([0-9A-Z]\{13\}\).*/\1/p' | tail -n 1; }

# blast NAME FLAGS...: the load client; acknowledged mail goes into the ledger of
# that name.
blast() { "$work/ledger" blast -ledger "$work/$1.ledger" "${@:2}"; }

# start_load NAME FLAGS...: the same in the background, until end_load.
start_load() {
	load_name=$1
	"$work/ledger" blast -ledger "$work/$1.ledger" -n 0 -deadline 0 "${@:2}" >"$work/$1.out" 2>&1 &
	load=$!
}

# end_load ends the load client in good order and tells what it saw; its exit
# status is returned.
end_load() {
	local status=0
	kill -TERM "$load"
	wait "$load" || status=$?
	load=
	say "load client: $(head -n 1 "$work/$load_name.out")"
	return "$status"
}

# arrived NAME [FLAGS...]: holds the ledger of that name against the sink.
arrived() { "$work/ledger" check -dump "$sink_dir" "${@:2}" "$work/$1.ledger"; }

# finds_no_secret [--key FILE]... [--word TEXT]...: what the gateway leaves behind
# and what it shows (data directory, logs, and the readable half of the API) holds
# none of them; see secrets.py. What the gateway prints is left out: it shows the
# first token there, once.
finds_no_secret() {
	local path shown=$work/shown
	mkdir -p "$shown"
	for path in events audit-log alerts certificates settings tokens webhooks revisions jobs messages; do
		api GET "/$path$([[ $path == settings ]] || echo '?limit=1000')" >"$shown/$path.json" || return
	done
	curl -fsS "http://127.0.0.1:$api_port/metrics" >"$shown/metrics" 2>/dev/null || true
	python3 "$root/scripts/interop/secrets.py" "$@" "$work/data" "$work/serve.log" "$shown"
}
