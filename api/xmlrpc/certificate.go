package xmlrpc

import (
	"context"
	"slices"
	"time"

	"postern/domain/account"
	"postern/domain/certificate"
)

// CertificateReader looks certificates up; postern/domain/certificate
// implements it.
type CertificateReader interface {
	List(ctx context.Context, after string, limit int) ([]certificate.Certificate, error)
	Get(ctx context.Context, id string) (certificate.Certificate, error)
	Active(ctx context.Context) (certificate.Certificate, error)
}

// CertificateWriter makes, activates and deletes certificates;
// postern/domain/certificate implements it.
type CertificateWriter interface {
	CreateSelfSigned(ctx context.Context, author string, r certificate.SelfSignedRequest) (certificate.Certificate, error)
	ImportPEM(ctx context.Context, author string, r certificate.ImportRequest) (certificate.Certificate, error)
	Activate(ctx context.Context, author, id, ifMatch string) (certificate.Certificate, error)
	// WaitApplied returns nil once handshakes use the activation or a later one.
	WaitApplied(ctx context.Context, activation int64) error
	Delete(ctx context.Context, author, id, ifMatch string) (certificate.Certificate, error)
}

// CertificateForcer activates without the look at published TLSA records (B54);
// postern/domain/certificate implements it.
type CertificateForcer interface {
	ForceActivate(ctx context.Context, author, id, ifMatch string) (certificate.Certificate, error)
}

// CertificateFiles takes certificates in by other ways;
// postern/domain/certificate implements it.
type CertificateFiles interface {
	CreateRequest(ctx context.Context, author string, r certificate.SigningRequest) (certificate.Certificate, error)
	InstallSigned(ctx context.Context, author, id, ifMatch string, signed certificate.SignedCertificate) (certificate.Certificate, error)
	ImportPKCS12(ctx context.Context, author string, r certificate.PKCS12Import) (certificate.Certificate, error)
}

type certificateMethods struct {
	reader CertificateReader
	writer CertificateWriter
	forcer CertificateForcer
	files  CertificateFiles

	schedule CertificateSchedule
}

// Parameters that several methods have.
var (
	idParam      = param{name: "id", typ: typeString, help: "Id of the certificate."}
	ifMatchParam = param{name: "if_match", typ: typeString, optional: true, help: "The etag that the certificate must still have."}

	// What certificates that are made here are to say.
	hostNameParam     = param{name: "host_name", typ: typeString, help: "First name of the certificate."}
	namesParam        = param{name: "alternative_names", typ: typeStrings, optional: true, help: "Further host names, with *. as wildcard, or IP addresses."}
	organizationParam = param{name: "organization", typ: typeString, optional: true, help: "Name of the organization."}
	countryParam      = param{name: "country", typ: typeString, optional: true, help: "Two letters (ISO 3166-1)."}
	keyTypeParam      = param{name: "key_type", typ: typeString, optional: true, help: "ecdsa_p256 (if left out), ecdsa_p384, rsa_2048, rsa_3072 or rsa_4096."}

	labelParam = param{name: "label", typ: typeString, optional: true, help: "Words of your own."}
)

func (c certificateMethods) table() []method {
	return slices.Concat(c.readingMethods(), c.writingMethods(), c.scheduleMethods(), c.fileMethods())
}

func (c certificateMethods) readingMethods() []method {
	return []method{
		{
			name:   "certificate.list",
			help:   "Returns certificates in the order of their ids, without private keys.",
			result: "array",
			params: []param{
				{name: "after", typ: typeString, optional: true, help: "Id of the last certificate of the page before."},
				{name: "limit", typ: typeInt, optional: true, help: "At most so many, 100 if left out, up to 1000."},
			},
			role: account.RoleViewer,
			call: c.list,
		},
		{
			name:   "certificate.get",
			help:   "Returns one certificate, with its chain as PEM text in the member pem.",
			result: "struct",
			params: []param{idParam},
			role:   account.RoleViewer,
			call:   c.get,
		},
		{
			name:   "certificate.active",
			help:   "Returns the active certificate, as certificate.get does.",
			result: "struct",
			role:   account.RoleViewer,
			call:   c.active,
		},
	}
}

func (c certificateMethods) writingMethods() []method {
	return []method{
		{
			name:   "certificate.create_self_signed",
			help:   "Makes a key and a certificate signed by itself, and returns it. It is not activated.",
			result: "struct",
			params: []param{
				hostNameParam,
				namesParam,
				organizationParam,
				countryParam,
				keyTypeParam,
				{name: "valid_days", typ: typeInt, optional: true, help: "397 if left out."},
				labelParam,
			},
			role: account.RoleCertificateManager,
			call: c.createSelfSigned,
		},
		{
			name:   "certificate.import_pem",
			help:   "Takes in a certificate with its key and chain, and returns it. It is not activated. The PEM blocks may stand in any order, in one field or in several.",
			result: "struct",
			params: []param{
				{name: "certificate", typ: typeString, help: "PEM text."},
				{name: "private_key", typ: typeString, optional: true, help: "PEM text."},
				{name: "chain", typ: typeStrings, optional: true, help: "PEM texts."},
				labelParam,
				{name: "password", typ: typeString, optional: true, help: "Of the private key, where it is encrypted."},
			},
			role:              account.RoleCertificateManager,
			takesCertificates: true,
			call:              c.importPEM,
		},
		{
			name:   "certificate.activate",
			help:   "Makes a certificate the active one for the next handshake. Returns id, state, revision (the number of the activation) and applied: whether handshakes use it already.",
			result: "struct",
			params: []param{idParam, ifMatchParam, forceParam},
			role:   account.RoleCertificateManager,
			call:   c.activate,
		},
		{
			name:   "certificate.delete",
			help:   "Deletes a certificate and its key, unless it is active or bound. Returns id, state, revision (the number of its last activation, 0 for none) and applied.",
			result: "struct",
			params: []param{idParam, ifMatchParam},
			role:   account.RoleCertificateManager,
			call:   c.remove,
		},
	}
}

func (c certificateMethods) list(ctx context.Context, in invocation) (any, error) {
	list, err := c.reader.List(ctx, arg[string](in.args, "after"), int(arg[int64](in.args, "limit")))
	if err != nil {
		return nil, err
	}
	structs := make([]map[string]any, len(list))
	for i, entry := range list {
		structs[i] = certificateStruct(entry)
	}
	return structs, nil
}

func (c certificateMethods) get(ctx context.Context, in invocation) (any, error) {
	return withPEM(c.reader.Get(ctx, arg[string](in.args, "id")))
}

func (c certificateMethods) active(ctx context.Context, _ invocation) (any, error) {
	return withPEM(c.reader.Active(ctx))
}

func (c certificateMethods) createSelfSigned(ctx context.Context, in invocation) (any, error) {
	return withPEM(c.writer.CreateSelfSigned(ctx, in.principal.Name, certificate.SelfSignedRequest{
		Label:            arg[string](in.args, "label"),
		HostName:         arg[string](in.args, "host_name"),
		AlternativeNames: arg[[]string](in.args, "alternative_names"),
		Organization:     arg[string](in.args, "organization"),
		Country:          arg[string](in.args, "country"),
		KeyType:          certificate.KeyType(arg[string](in.args, "key_type")),
		ValidDays:        int(arg[int64](in.args, "valid_days")),
	}))
}

func (c certificateMethods) importPEM(ctx context.Context, in invocation) (any, error) {
	return withPEM(c.writer.ImportPEM(ctx, in.principal.Name, certificate.ImportRequest{
		Label:       arg[string](in.args, "label"),
		Certificate: arg[string](in.args, "certificate"),
		PrivateKey:  arg[string](in.args, "private_key"),
		Chain:       arg[[]string](in.args, "chain"),
		Password:    arg[string](in.args, "password"),
	}))
}

// activate answers when the next handshake uses the certificate (B41).
func (c certificateMethods) activate(ctx context.Context, in invocation) (any, error) {
	activate := c.writer.Activate
	if arg[bool](in.args, "force") {
		activate = c.forcer.ForceActivate
	}
	entry, err := activate(ctx, in.principal.Name, arg[string](in.args, "id"), arg[string](in.args, "if_match"))
	return c.inForce(ctx, entry, err)
}

// inForce answers an activation when handshakes use it.
func (c certificateMethods) inForce(ctx context.Context, entry certificate.Certificate, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	done, err := applied(ctx, c.writer.WaitApplied, entry.Activation)
	return changed(entry.ID, string(entry.State), entry.Activation, done), err
}

func (c certificateMethods) remove(ctx context.Context, in invocation) (any, error) {
	entry, err := c.writer.Delete(ctx, in.principal.Name, arg[string](in.args, "id"), arg[string](in.args, "if_match"))
	if err != nil {
		return nil, err
	}
	return changed(entry.ID, "deleted", entry.Activation, true), nil
}

// changed is the reply of the methods that change what is served.
func changed(id, state string, revision int64, applied bool) map[string]any {
	return map[string]any{"id": id, "state": state, "revision": revision, "applied": applied}
}

func withPEM(c certificate.Certificate, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	members := certificateStruct(c)
	members["pem"] = c.PEM()
	return members, nil
}

// certificateStruct leaves out the times of what never happened: XML-RPC has
// no null that every client knows.
func certificateStruct(c certificate.Certificate) map[string]any {
	members := map[string]any{
		"id":            c.ID,
		"label":         c.Label,
		"source":        string(c.Source),
		"state":         string(c.State),
		"subject":       c.Subject,
		"names":         c.Names,
		"issuer":        c.Issuer,
		"serial_number": c.SerialNumber,
		"key_type":      string(c.KeyType),
		"fingerprint":   c.Fingerprint,
		"insecure":      c.Insecure,
		"warnings":      c.Warnings,
		"created_at":    c.CreatedAt,
		"created_by":    c.CreatedBy,
		"revision":      c.Activation,
		"activated_by":  c.ActivatedBy,
		"etag":          c.ETag(),
	}
	addTime(members, "not_before", c.NotBefore)
	addTime(members, "not_after", c.NotAfter)
	addTime(members, "activated_at", c.ActivatedAt)
	if c.Staged != nil {
		members["activate_at"] = c.Staged.At
	}
	if csr := c.RequestPEM(); csr != "" {
		members["csr"] = csr
	}
	return members
}

func addTime(members map[string]any, name string, t time.Time) {
	if !t.IsZero() {
		members[name] = t
	}
}
