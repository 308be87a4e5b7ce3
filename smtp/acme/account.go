package acme

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/acme"

	"postern/domain"
	kernel "postern/domain/acme"
	"postern/domain/policy"
)

// AccountStore keeps accounts.
type AccountStore interface {
	// Account returns the account at a directory, or domain.NotFound.
	Account(ctx context.Context, directory string) (kernel.Account, error)
	PutAccount(ctx context.Context, a kernel.Account) error
}

// Secrets keeps account keys, sealed.
type Secrets interface {
	Put(ctx context.Context, value string) (id string, err error)
	Get(ctx context.Context, id string) (string, error)
}

// Accounts are the accounts at authorities, one for each directory.
type Accounts struct {
	Store   AccountStore
	Secrets Secrets
	Now     func() time.Time
}

// open returns the client with the account at its directory, which is registered
// where there is none.
func (a *Accounts) open(ctx context.Context, r Request, client *acme.Client, tell tell) (*acme.Client, error) {
	account, err := a.Store.Account(ctx, r.Directory)
	if domain.KindOf(err) == domain.NotFound && err != nil {
		account, err = a.begin(ctx, r.Directory)
	}
	if err != nil {
		return nil, domain.Wrap(err, "open the ACME account")
	}
	if client.Key, err = a.key(ctx, account); err != nil {
		return nil, err
	}
	if account.URL != "" {
		client.KID = acme.KeyID(account.URL)
		known, err := client.GetReg(ctx, "")
		if err == nil {
			tellContacts(ctx, r, client, known, tell)
			return client, nil
		}
		if !errors.Is(err, acme.ErrNoAccount) {
			return nil, problem(err, "the account cannot be used")
		}
		client.KID = "" // the authority has lost it: the same key begins anew
	}
	return client, a.register(ctx, r, client, account, tell)
}

// tellContacts tells the authority whom it reaches us by, where that has changed (RFC
// 8555 §7.3.2). Some keep no contacts and show none: they are told again. An authority
// that does not take them is no reason to go without a certificate.
func tellContacts(ctx context.Context, r Request, client *acme.Client, known *acme.Account, tell tell) {
	contacts := contactsOf(r)
	if len(contacts) == 0 || slices.Equal(contacts, known.Contact) {
		return
	}
	if _, err := client.UpdateReg(ctx, &acme.Account{Contact: contacts}); err != nil {
		tell("%s", words(problem(err, "the authority does not take the contacts")))
		return
	}
	tell("The authority is told of the contacts %s.", strings.Join(r.Settings.Contacts, ", "))
}

func contactsOf(r Request) []string {
	var contacts []string
	for _, c := range r.Settings.Contacts {
		contacts = append(contacts, "mailto:"+c)
	}
	return contacts
}

// begin makes the key of an account and keeps it, before anyone is told of it.
func (a *Accounts) begin(ctx context.Context, directory string) (kernel.Account, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return kernel.Account{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return kernel.Account{}, err
	}
	id, err := a.Secrets.Put(ctx, base64.StdEncoding.EncodeToString(der))
	if err != nil {
		return kernel.Account{}, err
	}
	account := kernel.Account{Directory: directory, KeySecretID: id, CreatedAt: a.Now().UTC()}
	return account, a.Store.PutAccount(ctx, account)
}

// key opens the key of an account. No error repeats a part of it.
func (a *Accounts) key(ctx context.Context, account kernel.Account) (crypto.Signer, error) {
	text, err := a.Secrets.Get(ctx, account.KeySecretID)
	if err != nil {
		return nil, domain.Wrap(err, "open the key of the ACME account")
	}
	der, _ := base64.StdEncoding.DecodeString(text)
	key, err := x509.ParsePKCS8PrivateKey(der)
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, domain.E(domain.Internal, "the key of the ACME account cannot be read")
	}
	return signer, nil
}

// register makes the account at the authority, or finds it there by its key.
func (a *Accounts) register(ctx context.Context, r Request, client *acme.Client, account kernel.Account, tell tell) error {
	asked := &acme.Account{Contact: contactsOf(r)}
	var err error
	if asked.ExternalAccountBinding, err = a.binding(ctx, r); err != nil {
		return err
	}
	made, err := client.Register(ctx, asked, func(string) bool { return r.Settings.TermsAgreed })
	if errors.Is(err, acme.ErrAccountAlreadyExists) {
		made, err = client.GetReg(ctx, "")
	}
	if err != nil {
		return problem(err, "the authority gives no account")
	}
	tell("The account is %s.", made.URI)
	account.URL, client.KID = made.URI, acme.KeyID(made.URI)
	return domain.Wrap(a.Store.PutAccount(ctx, account), "store the ACME account")
}

// binding is the external account that the first directory asks for (RFC 8555
// §7.3.4).
func (a *Accounts) binding(ctx context.Context, r Request) (*acme.ExternalAccountBinding, error) {
	s := r.Settings
	if s.EABKeyID == "" || r.Directory != s.DirectoryURL {
		return nil, nil
	}
	text, err := a.Secrets.Get(ctx, s.EABSecretID)
	if err != nil {
		return nil, domain.Wrap(err, "open the key of the external account binding")
	}
	key, ok := policy.ParseEABKey(text)
	if !ok {
		return nil, domain.E(domain.Internal, "the key of the external account binding cannot be read")
	}
	return &acme.ExternalAccountBinding{KID: s.EABKeyID, Key: key}, nil
}
