package main

import (
	"time"

	"postern/domain/config"
	"postern/smtp/digitalid"
)

// makeDigitalID makes what follows the digital ID files (B47).
func (a *App) makeDigitalID() {
	a.digitalID = digitalid.New(digitalid.Config{
		DataDir: a.options.DataDir, Certificates: a.certificates, Bus: a.bus, Events: a.events, Log: a.logger, Now: time.Now,
		Write: func() bool { return a.config.Snapshot().Settings.TLS.WriteDigitalID },
	})
}

// digitalIDProblems are those of the digital ID files, for the status.
func (a *App) digitalIDProblems() []config.Problem {
	if problem := a.digitalID.Problem(); problem != "" {
		return []config.Problem{{Part: "digital ID files", Detail: problem}}
	}
	return nil
}
