package delivery

import "testing"

func TestHeldReasons(t *testing.T) {
	for want, got := range map[string]string{
		`content filter "invoices"`:         HeldByFilters([]string{"invoices"}),
		`content filters "invoices", "big"`: HeldByFilters([]string{"invoices", "big"}),
		`request of "token:night shift"`:    HeldBy("token:night shift"),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
