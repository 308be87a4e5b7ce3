package smtptest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"slices"
)

func (s *mxSession) serveStartTLS(argument string) error {
	switch {
	case s.state != nil:
		return s.reply("STARTTLS", argument, "503 5.5.1 TLS is active already")
	case s.options.StartTLS == StartTLSHidden:
		return s.reply("STARTTLS", argument, "502 5.5.1 not available")
	case s.options.StartTLS == StartTLSRefused:
		return s.reply("STARTTLS", argument, "454 4.7.0 not available for now")
	}
	ready := "220 2.0.0 ready"
	if s.options.StartTLS == StartTLSInjected {
		ready += "\n250 2.0.0 injected"
	}
	positive, err := s.answer("STARTTLS", argument, ready)
	if err != nil || !positive {
		return err
	}
	switch s.options.StartTLS {
	case StartTLSClosed:
		return errEnded
	case StartTLSStalled:
		return s.stall()
	case StartTLSGarbage:
		return s.answerHello("this is no ServerHello\r\n")
	case StartTLSBroken:
		return s.answerHello(handshakeAlert)
	}
	if err := s.handshake(); err != nil {
		return err
	}
	if s.options.StartTLS == StartTLSAborted {
		return errEnded
	}
	return nil
}

// handshakeAlert is the alert handshake_failure in a record of its own (RFC 8446
// §6).
const handshakeAlert = "\x15\x03\x03\x00\x02\x02\x28"

// answerHello answers the ClientHello with something else than a ServerHello.
func (s *mxSession) answerHello(octets string) error {
	if _, err := s.br.Peek(1); err != nil {
		return err
	}
	if _, err := io.WriteString(s.raw, octets); err != nil {
		return err
	}
	return s.stall()
}

// handshake puts TLS on the connection and forgets what was said before (RFC
// 3207 §4.2).
func (s *mxSession) handshake() error {
	if s.br.Buffered() > 0 {
		s.violate("clear octets behind STARTTLS")
		return errEnded
	}
	conn := tls.Server(s.raw, s.tlsConfig())
	if err := conn.Handshake(); err != nil {
		return err
	}
	state := conn.ConnectionState()
	s.state, s.conn, s.br = &state, conn, bufio.NewReader(conn)
	s.hello, s.extended, s.mail, s.chunked = "", false, nil, false
	return nil
}

func (s *mxSession) tlsConfig() *tls.Config {
	minimum := s.options.MinTLS
	if minimum == 0 {
		minimum = tls.VersionTLS10
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{s.options.Certificate},
		MinVersion:   minimum,
		MaxVersion:   s.options.MaxTLS,
		ClientAuth:   tls.RequestClientCert,
	}
	if s.options.RefusePostQuantum {
		config.GetConfigForClient = refusePostQuantum
	}
	return config
}

func refusePostQuantum(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if slices.Contains(hello.SupportedCurves, tls.X25519MLKEM768) {
		return nil, errors.New("ClientHello is too large")
	}
	return nil, nil
}
