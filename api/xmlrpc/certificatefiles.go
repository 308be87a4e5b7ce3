package xmlrpc

import (
	"context"

	"postern/domain/account"
	"postern/domain/certificate"
)

func (c certificateMethods) fileMethods() []method {
	return []method{
		{
			name:   "certificate.create_csr",
			help:   "Makes a key, which never leaves, and a certificate request for it. Returns the pending certificate, with the request as PEM text in the member csr.",
			result: "struct",
			params: []param{
				hostNameParam,
				namesParam,
				organizationParam,
				{name: "locality", typ: typeString, optional: true, help: "City."},
				{name: "province", typ: typeString, optional: true, help: "State or province, written out."},
				countryParam,
				keyTypeParam,
				labelParam,
			},
			role: account.RoleCertificateManager,
			call: c.createCSR,
		},
		{
			name:   "certificate.install_signed",
			help:   "Installs the certificate that an authority made of the request of a pending one, and returns it. It is not activated.",
			result: "struct",
			params: []param{
				idParam,
				{name: "certificate", typ: typeString, help: "PEM text."},
				{name: "chain", typ: typeStrings, optional: true, help: "PEM texts of intermediate certificates."},
				ifMatchParam,
			},
			role:              account.RoleCertificateManager,
			takesCertificates: true,
			call:              c.installSigned,
		},
		{
			name:   "certificate.import_pkcs12",
			help:   "Takes in a PKCS #12 file with key, certificate and chain, and returns the certificate. It is not activated.",
			result: "struct",
			params: []param{
				{name: "pkcs12", typ: typeBase64, help: "The file."},
				{name: "password", typ: typeString, optional: true, help: "Of the file."},
				labelParam,
			},
			role:              account.RoleCertificateManager,
			takesCertificates: true,
			call:              c.importPKCS12,
		},
	}
}

func (c certificateMethods) createCSR(ctx context.Context, in invocation) (any, error) {
	return withPEM(c.files.CreateRequest(ctx, in.principal.Name, certificate.SigningRequest{
		Label:            arg[string](in.args, "label"),
		HostName:         arg[string](in.args, "host_name"),
		AlternativeNames: arg[[]string](in.args, "alternative_names"),
		Organization:     arg[string](in.args, "organization"),
		Locality:         arg[string](in.args, "locality"),
		Province:         arg[string](in.args, "province"),
		Country:          arg[string](in.args, "country"),
		KeyType:          certificate.KeyType(arg[string](in.args, "key_type")),
	}))
}

func (c certificateMethods) installSigned(ctx context.Context, in invocation) (any, error) {
	return withPEM(c.files.InstallSigned(ctx, in.principal.Name, arg[string](in.args, "id"), arg[string](in.args, "if_match"),
		certificate.SignedCertificate{Certificate: arg[string](in.args, "certificate"), Chain: arg[[]string](in.args, "chain")}))
}

func (c certificateMethods) importPKCS12(ctx context.Context, in invocation) (any, error) {
	return withPEM(c.files.ImportPKCS12(ctx, in.principal.Name, certificate.PKCS12Import{
		Label:    arg[string](in.args, "label"),
		Data:     arg[[]byte](in.args, "pkcs12"),
		Password: arg[string](in.args, "password"),
	}))
}
