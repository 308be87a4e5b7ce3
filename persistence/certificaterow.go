package persistence

import (
	"encoding/json"
	"encoding/pem"
	"fmt"

	"postern/domain/certificate"
)

// certificateRow is the stored form of a certificate: lists are JSON arrays,
// chain and request are PEM text.
type certificateRow struct {
	ID           string `gorm:"primaryKey"`
	Label        string
	Source       string
	State        string
	Subject      string
	Names        string
	Issuer       string
	SerialNumber string
	NotBefore    int64
	NotAfter     int64
	KeyType      string
	Fingerprint  string
	Chain        string
	Insecure     bool
	Warnings     string
	CreatedAt    int64 `gorm:"autoCreateTime:false"`
	CreatedBy    string
	Activation   int64
	ActivatedAt  *int64
	ActivatedBy  string
	Request      string
	StagedAt     *int64
	StagedBy     string
	StagedForce  bool
}

func (certificateRow) TableName() string { return "certificates" }

func certificateRowOf(c certificate.Certificate) (certificateRow, error) {
	names, err := json.Marshal(c.Names)
	if err != nil {
		return certificateRow{}, fmt.Errorf("write the names of certificate %q: %w", c.ID, err)
	}
	warnings, err := json.Marshal(c.Warnings)
	if err != nil {
		return certificateRow{}, fmt.Errorf("write the warnings of certificate %q: %w", c.ID, err)
	}
	row := certificateRow{
		ID: c.ID, Label: c.Label, Source: string(c.Source), State: string(c.State),
		Subject: c.Subject, Names: string(names), Issuer: c.Issuer, SerialNumber: c.SerialNumber,
		NotBefore: micros(c.NotBefore), NotAfter: micros(c.NotAfter), KeyType: string(c.KeyType),
		Fingerprint: c.Fingerprint, Chain: c.PEM(), Insecure: c.Insecure, Warnings: string(warnings),
		CreatedAt: micros(c.CreatedAt), CreatedBy: c.CreatedBy,
		Activation: c.Activation, ActivatedBy: c.ActivatedBy, Request: c.RequestPEM(),
	}
	if c.Activation != 0 {
		row.ActivatedAt = new(micros(c.ActivatedAt))
	}
	if s := c.Staged; s != nil {
		row.StagedAt, row.StagedBy, row.StagedForce = new(micros(s.At)), s.By, s.Force
	}
	return row, nil
}

// certificate reads the row. Its error names the certificate and the column.
func (r certificateRow) certificate() (certificate.Certificate, error) {
	c := certificate.Certificate{
		ID: r.ID, Label: r.Label, Source: certificate.Source(r.Source), State: certificate.State(r.State),
		Subject: r.Subject, Issuer: r.Issuer, SerialNumber: r.SerialNumber,
		NotBefore: moment(r.NotBefore), NotAfter: moment(r.NotAfter), KeyType: certificate.KeyType(r.KeyType),
		Fingerprint: r.Fingerprint, Insecure: r.Insecure,
		CreatedAt: moment(r.CreatedAt), CreatedBy: r.CreatedBy,
		Activation: r.Activation, ActivatedBy: r.ActivatedBy,
	}
	if r.ActivatedAt != nil {
		c.ActivatedAt = moment(*r.ActivatedAt)
	}
	if err := json.Unmarshal([]byte(r.Names), &c.Names); err != nil {
		return c, fmt.Errorf("read the names of certificate %q: %w", r.ID, err)
	}
	if err := json.Unmarshal([]byte(r.Warnings), &c.Warnings); err != nil {
		return c, fmt.Errorf("read the warnings of certificate %q: %w", r.ID, err)
	}
	c.Chain = derBlocks(r.Chain)
	if blocks := derBlocks(r.Request); len(blocks) > 0 {
		c.Request = blocks[0]
	}
	if r.StagedAt != nil {
		c.Staged = &certificate.Staged{At: moment(*r.StagedAt), By: r.StagedBy, Force: r.StagedForce}
	}
	return c, nil
}

// derBlocks returns the blocks of a PEM text.
func derBlocks(text string) [][]byte {
	var list [][]byte
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		list = append(list, block.Bytes)
	}
	return list
}
