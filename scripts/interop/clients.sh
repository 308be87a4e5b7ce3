# shellcheck shell=bash
# Clients of every kind, for policy.sh: swaks from each sender group in each TLS mode,
# with and without certificates, and talk.py behind a proxy. The table says what they
# hear.

# What a client hears, by its sender group, by what it does, and by the TLS mode of
# the listener (B12, B14, B15):
#
#   taken   the message is taken
#   no-tls  STARTTLS is not offered
#   530     Must issue a STARTTLS command first
#   554     no mail from here
receptions='
listener  group        address    session  off     preferred  required
inbound   ALLOWLIST    127.0.0.31  clear    taken   taken      530
inbound   ALLOWLIST    127.0.0.31  tls      no-tls  taken      taken
inbound   BLOCKLIST    127.0.0.32  clear    554     554        554
inbound   BLOCKLIST    127.0.0.32  tls      554     554        554
inbound   SUSPECTLIST  127.0.0.33  clear    taken   taken      530
inbound   SUSPECTLIST  127.0.0.33  tls      no-tls  taken      taken
inbound   UNKNOWNLIST  127.0.0.34  clear    taken   taken      530
inbound   UNKNOWNLIST  127.0.0.34  tls      no-tls  taken      taken
inbound   ALL          127.0.0.35  clear    taken   taken      530
inbound   ALL          127.0.0.35  tls      no-tls  taken      taken
outbound  RELAYLIST    127.0.0.36  clear    taken   taken      530
outbound  RELAYLIST    127.0.0.36  tls      no-tls  taken      taken
outbound  ALL          127.0.0.37  clear    554     554        554
outbound  ALL          127.0.0.37  tls      554     554        554
'

# listener_port NAME
listener_port() {
	case $1 in
	inbound) echo "$public_port" ;;
	outbound) echo "$private_port" ;;
	esac
}

# heard LISTENER ADDRESS clear|tls [FLAGS...]: what a client at the address hears.
heard() {
	local session status=0 flags=()
	if [[ $3 == tls ]]; then
		flags=(-tls)
	fi
	session=$(swaks --server "127.0.0.1:$(listener_port "$1")" --local-interface "$2" --helo client.example \
		--from sender@client.example --to someone@hosted.example "${flags[@]}" "${@:4}" 2>&1) || status=$?
	case $status:$session in
	0:*) echo taken ;;
	*'did not advertise STARTTLS'*) echo no-tls ;;
	*) sed -n 's/^<[-~*]* *\([45][0-9][0-9]\) .*/\1/p' <<<"$session" | tail -n 1 ;;
	esac
}

set_groups() {
	local listener group address
	while read -r listener group address _; do
		if [[ $group != ALL ]]; then
			set_api PATCH "/listeners/$listener/sender-groups/$group" '{"senders":[{"pattern":"'"$address"'"}]}'
		fi
	done < <(awk '$4 == "clear"' <<<"$receptions")
}

receiving() {
	local mode column=5 taken before
	set_api PUT /domains/hosted.example '{}'
	set_api PUT /routes/hosted.example "$to_sink"
	set_groups
	before=$(sunk)
	for mode in off preferred required; do
		set_api PATCH /listeners/inbound '{"default_policy_parameters":{"tls":"'"$mode"'"}}'
		set_api PATCH /listeners/outbound '{"default_policy_parameters":{"tls":"'"$mode"'"}}'
		all_hear "$column" "$mode"
		column=$((column + 1))
	done
	taken=$(grep -o '\<taken\>' <<<"$receptions" | wc -l)
	check "what was taken is at smtp-sink" until_true 10 sunk_since "$before" "$taken"
}

sunk_since() { (($(sunk) - $1 == $2)); }

# all_hear COLUMN MODE: every row of the table, under one mode of the listeners.
all_hear() {
	local listener group address session want
	while read -r listener group address session want; do
		equals "$2: $listener $group, $session" "$want" "$(heard "$listener" "$address" "$session")"
	done < <(awk -v column="$1" 'NF && $1 != "listener" { print $1, $2, $3, $4, $column }' <<<"$receptions")
}

# A policy that says what it wants does not inherit it (B14), and who must send
# under TLS must do so everywhere (B17).
own_policies() {
	set_api PATCH /listeners/inbound '{"default_policy_parameters":{"tls":"required","tls_mandatory_senders":["boss@bank.example"]}}'
	set_api PATCH /mail-flow-policies/TRUSTED '{"tls":"preferred"}'
	equals "TRUSTED is preferred, the listener required: ALLOWLIST, clear" taken "$(heard inbound 127.0.0.31 clear)"
	equals "TRUSTED is preferred, the listener required: SUSPECTLIST, clear" 530 "$(heard inbound 127.0.0.33 clear)"
	equals "a sender that must use TLS, clear" 530 "$(heard inbound 127.0.0.31 clear --from boss@bank.example)"
	equals "a sender that must use TLS, tls" taken "$(heard inbound 127.0.0.31 tls --from boss@bank.example)"
	set_api PATCH /mail-flow-policies/TRUSTED '{"tls":null}'
	set_api PATCH /mail-flow-policies/BLOCKED '{"action":"tcp_refuse"}'
	equals "tcp_refuse says no word: BLOCKLIST" closed "$(talk --source 127.0.0.32 "$public_port")"
	set_api PATCH /mail-flow-policies/BLOCKED '{"action":"reject"}'
	set_api PATCH /listeners/inbound '{"default_policy_parameters":{"tls":"preferred"}}'
	# The policy THROTTLED of SUSPECTLIST takes 100 recipients, TRUSTED more.
	local many
	printf -v many 'r%d@hosted.example,' {1..101}
	equals "101 recipients from SUSPECTLIST, refused" 1 "$(swaks_hears 127.0.0.33 '452' --to "${many%,}")"
	equals "101 recipients from ALLOWLIST, refused" 0 "$(swaks_hears 127.0.0.31 '452' --to "${many%,}")"
}

# Clients that must show a certificate of an authority we trust for it (B17).
client_certificates() {
	local good=(--tls-cert "$peers_dir/client.crt" --tls-key "$peers_dir/client.key")
	local bad=(--tls-cert "$peers_dir/selfsigned.postfix.crt" --tls-key "$peers_dir/selfsigned.postfix.key")
	issue "$peers_dir/client" 30 out.partner.example >"$work/openssl.log" 2>&1
	trust clients client_authority "$peers_dir/ca.pem"
	set_api PATCH /mail-flow-policies/TRUSTED '{"tls":"preferred","verify_client_certificate":true}'
	equals "client certificates, preferred: none" taken "$(heard inbound 127.0.0.31 tls)"
	equals "client certificates, preferred: a valid one" taken "$(heard inbound 127.0.0.31 tls "${good[@]}")"
	equals "client certificates, preferred: an invalid one" 554 "$(heard inbound 127.0.0.31 tls "${bad[@]}")"
	set_api PATCH /mail-flow-policies/TRUSTED '{"tls":"required"}'
	equals "client certificates, required: none" 554 "$(heard inbound 127.0.0.31 tls)"
	equals "client certificates, required: a valid one" taken "$(heard inbound 127.0.0.31 tls "${good[@]}")"
	equals "client certificates, required: an invalid one" 554 "$(heard inbound 127.0.0.31 tls "${bad[@]}")"
	set_api PATCH /mail-flow-policies/TRUSTED '{"tls":null,"verify_client_certificate":null}'
}

# swaks_hears ADDRESS CODE FLAGS...: how often a client hears a code before DATA.
swaks_hears() {
	swaks --server "127.0.0.1:$public_port" --local-interface "$1" --helo client.example --from sender@client.example \
		--quit-after RCPT "${@:3}" 2>&1 | grep -c "^<[~ ]*\*\* $2" || true
}

# --- behind a proxy ---------------------------------------------------------

talk() { python3 "$root/scripts/interop/talk.py" "$@"; }

# first FLAGS...: the first word of the first answer.
first() { talk "$@" "$public_port" QUIT | head -n 1 | cut -d ' ' -f 1; }

proxied() { # B11
	set_api PATCH /listeners/inbound '{"proxy_protocol_from":["127.0.0.40"]}'
	equals "behind the proxy, in the name of BLOCKLIST" 554 "$(first --source 127.0.0.40 --proxy 127.0.0.32)"
	equals "behind the proxy, in the name of ALLOWLIST" 220 "$(first --source 127.0.0.40 --proxy 127.0.0.31)"
	equals "the proxy without a header" closed "$(talk --source 127.0.0.40 "$public_port" 'EHLO client.example' | tail -n 1)"
	equals "BLOCKLIST with a header in the name of ALLOWLIST" 554 "$(first --source 127.0.0.32 --proxy 127.0.0.31)"
	set_api PATCH /listeners/inbound '{"proxy_protocol_from":null}'
}
