package smtptest

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// Auth says whom an [MX] lets in. The zero value does not offer AUTH. It takes
// mail from anyone all the same: tests look at [Message.User].
type Auth struct {
	// Mechanisms are those that are offered, in clear too, as "PLAIN LOGIN".
	Mechanisms         string
	Username, Password string
	// Reply replaces the ordinary reply to credentials, such as "454 4.7.0 later";
	// %s in it stands for the initial response.
	Reply string
}

// serveAuth holds the exchange of one mechanism (RFC 4954 §4).
func (s *mxSession) serveAuth(argument string) error {
	name, initial, _ := strings.Cut(argument, " ")
	s.mx.recordCommand(Command{Connection: s.number, Stage: "AUTH", Argument: name, TLS: s.state != nil})
	if s.state == nil {
		s.violate("AUTH %s in clear", name)
	}
	if !strings.Contains(" "+s.options.Auth.Mechanisms+" ", " "+name+" ") {
		s.violate("AUTH %s was not offered", name)
		return s.write("504 5.5.4 unknown mechanism\r\n")
	}
	user, good, err := s.verifyCredentials(name, initial)
	if err != nil {
		return err
	}
	switch {
	case s.options.Auth.Reply != "":
		return s.write(strings.ReplaceAll(s.options.Auth.Reply, "%s", initial) + "\r\n")
	case !good:
		return s.write("535 5.7.8 wrong name or password\r\n")
	}
	s.user = user
	return s.write("235 2.7.0 welcome\r\n")
}

func (s *mxSession) verifyCredentials(mechanism, initial string) (user string, good bool, err error) {
	want := s.options.Auth
	switch mechanism {
	case "PLAIN":
		response, err := s.respond(initial, "")
		return want.Username, response == "\x00"+want.Username+"\x00"+want.Password, err
	case "LOGIN":
		if user, err = s.respond(initial, "Username:"); err != nil {
			return "", false, err
		}
		password, err := s.respond("", "Password:")
		return user, user == want.Username && password == want.Password, err
	default:
		const challenge = "<1896.697170952@mx.test>"
		response, err := s.respond("", challenge)
		digest := hmac.New(md5.New, []byte(want.Password))
		digest.Write([]byte(challenge))
		return want.Username, response == want.Username+" "+hex.EncodeToString(digest.Sum(nil)), err
	}
}

// respond returns a response of the client: the initial one, or that to a
// challenge.
func (s *mxSession) respond(initial, challenge string) (string, error) {
	if initial == "" {
		if err := s.write("334 " + base64.StdEncoding.EncodeToString([]byte(challenge)) + "\r\n"); err != nil {
			return "", err
		}
		line, err := s.br.ReadString('\n')
		if err != nil {
			return "", err
		}
		initial = strings.TrimRight(line, "\r\n")
	}
	decoded, err := base64.StdEncoding.DecodeString(initial)
	if err != nil {
		s.violate("AUTH response is not base64: %q", initial)
	}
	return string(decoded), nil
}
