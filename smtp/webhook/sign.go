package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"postern/domain/policy"
)

// Sign returns the headers that prove a call to be ours (Standard Webhooks): what
// is signed is the id, the time in seconds since 1970, and the body, with dots
// between them. The id is the same for each try.
func Sign(secret, id string, at time.Time, body []byte) (http.Header, error) {
	key, err := policy.WebhookKey(secret)
	if err != nil {
		return nil, err
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	header := http.Header{}
	header.Set("Webhook-Id", id)
	header.Set("Webhook-Timestamp", stamp)
	header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return header, nil
}
