package xmlrpc

import (
	"context"
	"fmt"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/policy"
)

type tlsMethods struct{ configuration Configuration }

func (t tlsMethods) table() []method {
	return []method{
		{
			name:   "tls.get_settings",
			help:   "Returns the master switches of TLS: enabled, send_starttls, retry_without_tls, min_version, write_digital_id; and etag.",
			result: "struct",
			role:   account.RoleViewer,
			call:   t.getSettings,
		},
		{
			name:   "tls.set_settings",
			help:   "Changes the master switches of TLS that are given, as one revision. Returns all of them, etag, revision, applied and warnings.",
			result: "struct",
			params: []param{
				{name: "enabled", typ: typeBoolean, optional: true, help: "TLS for SMTP and HTTPS, with the active certificate."},
				{name: "send_starttls", typ: typeBoolean, optional: true, help: "Send with STARTTLS whenever possible."},
				{name: "retry_without_tls", typ: typeBoolean, optional: true, help: "After a failed handshake, send to that host without TLS for up to an hour, where no policy forbids it."},
				{name: "min_version", typ: typeString, optional: true, help: "Lowest version of TLS: 1.0, 1.1, 1.2 or 1.3."},
				{name: "if_match", typ: typeString, optional: true, help: "The etag that the settings must still have."},
				{name: "write_digital_id", typ: typeBoolean, optional: true, help: "Write the active certificate to the digital ID files."},
			},
			role: account.RoleAdmin,
			call: t.setSettings,
		},
	}
}

// current returns the switches (B1, B2, B3, B9) and their entity tag.
func (t tlsMethods) current(ctx context.Context) (policy.TLSSettings, string, error) {
	item, value, err := t.configuration.Get(ctx, config.KindSettings, config.SectionTLS)
	if err != nil {
		return policy.TLSSettings{}, "", err
	}
	settings, ok := value.(policy.TLSSettings)
	if !ok {
		return policy.TLSSettings{}, "", fmt.Errorf("the TLS settings are stored as a %T", value)
	}
	return settings, item.ETag, nil
}

func (t tlsMethods) getSettings(ctx context.Context, _ invocation) (any, error) {
	settings, etag, err := t.current(ctx)
	if err != nil {
		return nil, err
	}
	return settingsStruct(settings, etag), nil
}

// setSettings changes the settings that it read just before: a change by someone
// else in between makes it fail with [domain.Stale] and is never undone.
func (t tlsMethods) setSettings(ctx context.Context, in invocation) (any, error) {
	settings, etag, err := t.current(ctx)
	if err != nil {
		return nil, err
	}
	if err := change(&settings, in.args); err != nil {
		return nil, err
	}
	if seen := arg[string](in.args, "if_match"); seen != "" {
		etag = seen
	}
	result, err := t.configuration.Commit(ctx, config.Change{
		Author:  in.principal.Name,
		Comment: "TLS settings by XML-RPC",
		Edits:   []config.Edit{{Kind: config.KindSettings, Key: config.SectionTLS, Value: settings, IfMatch: etag}},
	})
	if err != nil {
		return nil, err
	}
	reply := settingsStruct(settings, result.Items[0].ETag)
	reply["revision"] = result.Revision
	reply["warnings"] = warningTexts(result.Warnings)
	reply["applied"], err = applied(ctx, t.configuration.WaitApplied, result.Revision)
	return reply, err
}

// change overwrites those settings that the arguments name.
func change(s *policy.TLSSettings, a args) error {
	assign(&s.Enabled, a, "enabled")
	assign(&s.SendSTARTTLS, a, "send_starttls")
	assign(&s.RetryWithoutTLS, a, "retry_without_tls")
	assign(&s.WriteDigitalID, a, "write_digital_id") // B47
	version, ok := a["min_version"].(string)
	if !ok {
		return nil
	}
	if err := s.MinVersion.UnmarshalText([]byte(version)); err != nil {
		return domain.Faults{{Pointer: "/min_version", Message: faultOf(err).text}}.Err()
	}
	return nil
}

func settingsStruct(s policy.TLSSettings, etag string) map[string]any {
	return map[string]any{
		"enabled":           s.Enabled,
		"send_starttls":     s.SendSTARTTLS,
		"retry_without_tls": s.RetryWithoutTLS,
		"min_version":       s.MinVersion.String(),
		"write_digital_id":  s.WriteDigitalID,
		"etag":              etag,
	}
}

func warningTexts(warnings domain.Faults) []string {
	texts := make([]string, len(warnings))
	for i, w := range warnings {
		texts[i] = w.String()
	}
	return texts
}
