package acme

import (
	"context"
	"errors"
	"net/http"

	"golang.org/x/crypto/acme"
)

// order begins an order. One that renews a certificate says so to authorities that
// advise on renewals (RFC 9773 §5): they count it apart from others, and need not have
// the old one renewed. Where they do not take it so, it is an order like any other.
func (c *Client) order(ctx context.Context, http *http.Client, authority *acme.Client, r Request, tell tell) (*acme.Order, error) {
	if r.Replaces != nil && advises(ctx, http, r.Directory) {
		order, err := replace(ctx, authority, r)
		if err == nil {
			tell("The order says that it replaces the certificate before.")
			return order, nil
		}
		tell("%s. It is ordered without that.", problem(err, "the order is not taken as a replacement"))
	}
	var options []acme.OrderOption
	if r.Settings.Profile != "" {
		options = append(options, acme.WithOrderIssuanceProfile(acme.ProfileName(r.Settings.Profile)))
	}
	return authority.AuthorizeOrder(ctx, acme.DomainIDs(r.Names...), options...)
}

// replacement is the request for an order that replaces a certificate (RFC 8555 §7.4,
// RFC 9773 §5); the library's has no such field.
type replacement struct {
	Identifiers []identifier `json:"identifiers"`
	Profile     string       `json:"profile,omitempty"`
	Replaces    string       `json:"replaces"`
}

type identifier struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

func replace(ctx context.Context, authority *acme.Client, r Request) (*acme.Order, error) {
	asked := replacement{Profile: r.Settings.Profile, Replaces: certificateID(r.Replaces)}
	for _, name := range r.Names {
		asked.Identifiers = append(asked.Identifiers, identifier{Type: "dns", Value: name})
	}
	directory, err := authority.Discover(ctx)
	if err != nil {
		return nil, err
	}
	header, err := signed(ctx, authority, directory.OrderURL, asked, http.StatusCreated)
	if err != nil {
		return nil, err
	}
	url := header.Get("Location")
	if url == "" {
		return nil, errors.New("the authority does not say where the order is")
	}
	return authority.GetOrder(ctx, url)
}

// advises reports whether the authority advises on renewals.
func advises(ctx context.Context, http *http.Client, directory string) bool {
	at, err := adviceAt(ctx, http, directory)
	return err == nil && at != ""
}

// deactivate gives up an authorization (RFC 8555 §7.5.2). The library has a call for
// it that sends a field of the protocol before RFC 8555 along, which strict
// authorities refuse.
func deactivate(ctx context.Context, authority *acme.Client, url string) error {
	_, err := signed(ctx, authority, url, map[string]string{"status": "deactivated"}, http.StatusOK)
	return err
}
