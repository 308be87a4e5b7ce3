# shellcheck shell=bash
# Next hops of other people, for policy.sh: Postfix (OpenSSL) and Exim (GnuTLS) in
# the state of each certificate and each habit of TLS, and the DNS that names them.
#
# They have configuration, queue and log in the working directory, and addresses of
# their own on loopback: the mail server of the machine, if there is one, is left
# alone. They take all mail, and keep it.
#
# The peer PEER of PROGRAM serves the domains below PEER.PROGRAM.example; its own
# name is mx.PEER.PROGRAM.example.

# The peers, in the order of their addresses.
#
#   clear       no STARTTLS
#   right       a certificate for *.PEER.PROGRAM.example, by our authority
#   hosted      a certificate for its own name only, by our authority
#   wrong       a certificate for other names, by our authority
#   selfsigned  the right names, by itself
#   expired     the right names, by our authority, once
#   encrypt     as right; takes no mail in clear
#   broken      offers STARTTLS, and fails in every handshake
peers=(clear right hosted wrong selfsigned expired encrypt broken)

peers_dir=$work/peers
dns='' postfix='' exim='' # process ids
dns_port=$(free_port) postfix_port=$(free_port) exim_port=$(free_port)

# address PROGRAM N: that of the program's peer of that number.
address() {
	case $1 in
	postfix) echo "127.0.1.$(($2 + 1))" ;;
	exim) echo "127.0.2.$(($2 + 1))" ;;
	esac
}

# --- certificates -----------------------------------------------------------

curve=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)

# make_authority: ca.pem and ca.key.
make_authority() {
	openssl req -x509 "${curve[@]}" -keyout "$peers_dir/ca.key" -out "$peers_dir/ca.pem" -days 30 \
		-subj '/CN=Interop CA' -addext keyUsage=critical,keyCertSign,cRLSign
}

# issue FILE DAYS NAME [KEY...]: FILE.pem is key and certificate for the name. Zero
# days are the very second of its making.
issue() {
	local file=$1 days=$2 name=$3 key=("${curve[@]}")
	if (($# > 3)); then
		key=("${@:4}")
	fi
	openssl req "${key[@]}" -keyout "$file.key" -out "$file.csr" -subj "/CN=${name#\*.}"
	printf '%s\n' "subjectAltName=DNS:$name" basicConstraints=CA:FALSE keyUsage=digitalSignature \
		extendedKeyUsage=serverAuth,clientAuth >"$file.ext"
	openssl x509 -req -in "$file.csr" -CA "$peers_dir/ca.pem" -CAkey "$peers_dir/ca.key" -CAcreateserial \
		-days "$days" -extfile "$file.ext" -out "$file.crt"
	cat "$file.key" "$file.crt" >"$file.pem"
}

self_sign() {
	openssl req -x509 "${curve[@]}" -keyout "$1.key" -out "$1.crt" -days 30 -subj "/CN=${2#\*.}" -addext "subjectAltName=DNS:$2"
	cat "$1.key" "$1.crt" >"$1.pem"
}

certificate_of() { # PROGRAM PEER
	local file=$peers_dir/$2.$1 all="*.$2.$1.example"
	case $2 in
	hosted) issue "$file" 30 "mx.$2.$1.example" ;;
	wrong) issue "$file" 30 mx.elsewhere.example ;;
	selfsigned) self_sign "$file" "$all" ;;
	expired) issue "$file" 0 "$all" ;;
	*) issue "$file" 30 "$all" ;;
	esac
}

make_certificates() {
	local peer
	make_authority
	for peer in "${peers[@]}"; do
		certificate_of postfix "$peer"
		certificate_of exim "$peer"
	done
	if getent passwd "$exim_user" >/dev/null; then
		chown "$exim_user" "$peers_dir"/*.exim.pem
	fi
}

# --- DNS --------------------------------------------------------------------

# start_dns: unbound answers for example and the reverse of loopback, and asks
# nobody else.
start_dns() {
	local n
	{
		printf '%s\n' server: "interface: 127.0.0.1@$dns_port" "directory: \"$peers_dir\"" 'chroot: ""' 'username: ""' \
			'pidfile: ""' 'use-syslog: no' 'do-daemonize: no' 'module-config: "iterator"' \
			'local-zone: "example." static' 'local-zone: "127.in-addr.arpa." static'
		for n in "${!peers[@]}"; do
			printf 'local-data: "mx.%s.postfix.example. A %s"\n' "${peers[n]}" "$(address postfix "$n")"
			printf 'local-data: "mx.%s.exim.example. A %s"\n' "${peers[n]}" "$(address exim "$n")"
		done
		# A sending host with a confirmed name.
		printf '%s\n' 'local-data: "out.partner.example. A 127.0.0.41"' 'local-data-ptr: "127.0.0.41 out.partner.example."'
	} >"$peers_dir/unbound.conf"
	unbound -d -c "$peers_dir/unbound.conf" >"$peers_dir/unbound.log" 2>&1 &
	dns=$!
	until_true 10 listens "$dns_port"
}

# --- Postfix ----------------------------------------------------------------

# start_postfix: one Postfix, with an smtpd for each peer.
start_postfix() {
	local dir=$peers_dir/postfix n
	mkdir -p "$dir"/{etc,queue,data,mail}
	chown nobody "$dir/mail"
	{
		postfix_main "$dir" postfix-interop mx.postfix.example
		cat <<-END
			mynetworks = 127.0.0.0/8
			smtpd_relay_restrictions = permit_mynetworks, reject
			default_transport = virtual
			virtual_mailbox_base = $dir/mail
			virtual_mailbox_maps = static:all/
			virtual_uid_maps = static:$(id -u nobody)
			virtual_gid_maps = static:$(id -g nobody)
			smtpd_tls_received_header = yes
		END
	} >"$dir/etc/main.cf"
	{
		for n in "${!peers[@]}"; do
			echo "$(address postfix "$n"):$postfix_port inet n - n - - smtpd"
			postfix_habit "${peers[n]}"
		done
		postfix_services
		echo "virtual unix - n n - - virtual"
	} >"$dir/etc/master.cf"
	launch_postfix "$dir"
	postfix=$!
	until_true 20 listens "$postfix_port" "$(address postfix 0)"
}

postfix_habit() {
	case $1 in
	clear)
		echo ' -o smtpd_tls_security_level=none'
		return
		;;
	encrypt) echo ' -o smtpd_tls_security_level=encrypt' ;;
	broken) echo ' -o smtpd_tls_security_level=may -o smtpd_tls_protocols=<=TLSv1.1' ;;
	*) echo ' -o smtpd_tls_security_level=may' ;;
	esac
	echo " -o smtpd_tls_chain_files=$peers_dir/$1.postfix.pem"
}

# --- Exim -------------------------------------------------------------------

# Debian's Exim runs as this user.
exim_user=Debian-exim

# need_exim: Debian allows one mail server on a machine, so that Exim is unpacked
# into the working directory, beside Postfix. Only its user stays behind.
need_exim() {
	local deb=$work/exim4
	mkdir -p "$deb"
	(
		cd "$deb"
		apt-get -qq download exim4-daemon-light || { apt-get -qq update && apt-get -qq download exim4-daemon-light; }
		dpkg -x exim4-daemon-light*.deb .
	) >"$work/apt.log" 2>&1 || return 1
	[[ -x $deb/usr/sbin/exim4 ]] || return 1
	if ldd "$deb/usr/sbin/exim4" | grep -q 'libidn.* not found'; then
		install libidn12 || return 1
	fi
	getent passwd "$exim_user" >/dev/null ||
		useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$exim_user"
}

# start_exim: one Exim, whose settings depend on the address that was called.
start_exim() {
	local dir=$peers_dir/exim addresses='' names='' n
	mkdir -p "$dir"/{spool,log}
	chown "$exim_user" "$dir"/{spool,log}
	for n in "${!peers[@]}"; do
		addresses+=" ; $(address exim "$n")"
		names+="p$((n + 1))=${peers[n]} "
	done
	# The peer's name, by the address that was called.
	local peer="\${extract{p\${extract{4}{.}{\$received_ip_address}}}{$names}}"
	cat >"$dir/conf" <<-END
		spool_directory = $dir/spool
		log_file_path = $dir/log/%s
		primary_hostname = mx.exim.example
		local_interfaces = <;${addresses# ;}
		daemon_smtp_ports = $exim_port
		queue_only
		smtp_accept_max = 0
		keep_environment =
		log_selector = +received_recipients +tls_cipher
		tls_advertise_hosts = \${if eq{$peer}{clear}{}{*}}
		tls_certificate = $peers_dir/$peer.exim.pem
		tls_require_ciphers = \${if eq{$peer}{broken}{NORMAL:-VERS-ALL:+VERS-TLS1.1}{NORMAL}}
		acl_smtp_mail = mail
		acl_smtp_rcpt = accept
		acl_smtp_data = accept
		begin acl
		mail:
		  deny message = 530 5.7.0 Must issue a STARTTLS command first
		       condition = \${if and{{eq{$peer}{encrypt}}{eq{\$tls_in_cipher}{}}}}
		  accept
	END
	"$work/exim4/usr/sbin/exim4" -C "$dir/conf" -bdf >"$dir/out" 2>&1 &
	exim=$!
	until_true 20 listens "$exim_port" "$(address exim 0)"
}

# --- what arrived -----------------------------------------------------------

# kept PROGRAM prints "DOMAIN tls" or "DOMAIN clear" for each recipient's copy.
kept() {
	case $1 in
	postfix) postfix_kept ;;
	exim) exim_kept ;;
	esac | sort
}

postfix_kept() {
	local file
	while read -r file; do
		awk '/^Delivered-To: / { sub(/.*@/, ""); domain = $0 } /using TLSv/ { how = "tls" } /^$/ { exit }
			END { print domain, how ? how : "clear" }' "$file"
	done < <(find "$peers_dir/postfix/mail" -path '*/new/*' -type f)
}

# Exim's log has a line for each message: ... P=esmtps X=TLS1.3:... for RECIPIENT...
exim_kept() {
	awk '/ <= / { how = / P=esmtps / ? "tls" : "clear"; sub(/.* for /, ""); n = split($0, to, " ")
		for (i = 1; i <= n; i++) { sub(/.*@/, "", to[i]); print to[i], how } }' "$peers_dir/exim/log/main"
}

stop_peers() {
	local pid
	for pid in $dns $postfix $exim; do
		kill -TERM "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	dns='' postfix='' exim=''
}
