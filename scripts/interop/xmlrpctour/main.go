// Command xmlrpctour makes the round of xmlrpc.sh with the client of
// github.com/kolo/xmlrpc.
//
// Call: xmlrpctour URL FOLDER. It logs in, imports a PKCS #12 file, activates it,
// lists, makes a multicall, and hears every fault of FOLDER/faults.tsv. It prints
// "ok" or "FAIL" and a text, a line for each thing that was checked. Exit code 1
// says that it could not go on.
package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kolo/xmlrpc"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: xmlrpctour URL FOLDER")
		os.Exit(1)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tour is one client on its way round.
type tour struct {
	*xmlrpc.Client
	folder   string
	sessions map[string]string // by role; empty for nobody
	active   string            // id of the certificate that was activated
}

// members are the arguments of a call, as one struct.
type members map[string]any

func run(url, folder string) error {
	client, err := xmlrpc.NewClient(url, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	t := tour{Client: client, folder: folder, sessions: map[string]string{"nobody": ""}}
	for _, step := range []func() error{t.logIn, t.install, t.list, t.multicall, t.faults} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func check(text string, passed bool, got any) {
	if passed {
		fmt.Println("ok Go", text)
	} else {
		fmt.Printf("FAIL Go %s: %v\n", text, got)
	}
}

func (t *tour) read(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(t.folder, name))
	return string(text), err
}

func (t *tour) logIn() error {
	for _, role := range []string{"manager", "viewer"} {
		token, err := t.read(role)
		if err != nil {
			return err
		}
		var session string
		if err := t.Call("session.login", members{"user": "", "password": strings.TrimSpace(token)}, &session); err != nil {
			return err
		}
		t.sessions[role] = session
	}
	check("logs in", len(t.sessions["manager"]) >= 32, t.sessions["manager"])
	return nil
}

// as returns the arguments with the session of a role.
func (t *tour) as(role string, arguments members) members {
	if session := t.sessions[role]; session != "" {
		arguments["session"] = session
	}
	return arguments
}

// entry is what the tour looks at of a certificate, and of an activation.
type entry struct {
	ID      string `xmlrpc:"id"`
	State   string `xmlrpc:"state"`
	Applied bool   `xmlrpc:"applied"`
}

func (t *tour) install() error {
	file, err := t.read("kolo.p12")
	if err != nil {
		return err
	}
	var imported, activated entry
	arguments := t.as("manager", members{"pkcs12": xmlrpc.Base64(base64.StdEncoding.EncodeToString([]byte(file))), "password": "interop"})
	if err := t.Call("certificate.import_pkcs12", arguments, &imported); err != nil {
		return err
	}
	check("imports PKCS #12", imported.State == "inactive", imported)
	t.active = imported.ID
	if err := t.Call("certificate.activate", t.as("manager", members{"id": t.active}), &activated); err != nil {
		return err
	}
	check("activates it", activated.State == "active" && activated.Applied, activated)
	return nil
}

func (t *tour) list() error {
	var list []entry
	if err := t.Call("certificate.list", t.as("manager", members{}), &list); err != nil {
		return err
	}
	found := false
	for _, each := range list {
		found = found || each.ID == t.active && each.State == "active"
	}
	check("lists it as active", found, list)
	return nil
}

func (t *tour) multicall() error {
	call := func(method string, params ...any) members {
		return members{"methodName": method, "params": append([]any{}, params...)}
	}
	var replies []any
	err := t.Call("system.multicall", []any{[]any{
		call("gateway.default_fqdn", t.as("manager", members{})),
		call("certificate.active", t.as("manager", members{})),
		call("no.such_method"),
	}}, &replies)
	if err != nil {
		return err
	}
	check("makes a multicall", t.isAnswer(replies), replies)
	return nil
}

func (t *tour) isAnswer(replies []any) bool {
	if len(replies) != 3 {
		return false
	}
	name, _ := replies[0].([]any)
	active, _ := replies[1].([]any)
	unknown, _ := replies[2].(map[string]any)
	if len(name) != 1 || len(active) != 1 {
		return false
	}
	certificate, _ := active[0].(map[string]any)
	return name[0] == "gateway.example" && certificate["id"] == t.active && unknown["faultCode"] == int64(-32601)
}

func (t *tour) faults() error {
	table, err := t.read("faults.tsv")
	if err != nil {
		return err
	}
	for line := range strings.Lines(table) {
		if err := t.fault(strings.Split(strings.TrimSpace(line), "\t")); err != nil {
			return err
		}
	}
	return nil
}

// fault makes the call of one line of the table, which must fail as it says.
func (t *tour) fault(columns []string) error {
	if len(columns) < 3 {
		return fmt.Errorf("a line of the faults has %d columns", len(columns))
	}
	code, err := strconv.Atoi(columns[0])
	if err != nil {
		return err
	}
	arguments := members{}
	for _, column := range columns[3:] {
		if err := t.add(arguments, column); err != nil {
			return err
		}
	}
	err = t.Call(columns[2], t.as(columns[1], arguments), nil)
	check(fmt.Sprintf("hears %d from %s", code, columns[2]), hasCode(err, code), err)
	return nil
}

// hasCode reads the code from the text: the fault comes by way of net/rpc, which
// keeps nothing else of an error.
func hasCode(err error, code int) bool {
	return err != nil && strings.HasPrefix(err.Error(), xmlrpc.FaultError{Code: code}.Error())
}

// add reads one argument, as name:type=value.
func (t *tour) add(arguments members, column string) error {
	name, rest, _ := strings.Cut(column, ":")
	typ, text, _ := strings.Cut(rest, "=")
	text = strings.ReplaceAll(text, "{active}", t.active)
	switch typ {
	case "s":
		arguments[name] = text
	case "i":
		number, err := strconv.Atoi(text)
		arguments[name] = number
		return err
	case "b":
		arguments[name] = xmlrpc.Base64(text)
	default:
		return fmt.Errorf("unknown type in %q", column)
	}
	return nil
}
