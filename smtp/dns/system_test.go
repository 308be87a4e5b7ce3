package dns

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestServersIn(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"servers", "# remark\nsearch x.test\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions edns0\n", []string{"192.0.2.53:53", "[2001:db8::53]:53"}},
		{"none", "search x.test\n", []string{"127.0.0.1:53"}},
	}
	for _, test := range tests {
		file := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, serversIn(file)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
	if diff := cmp.Diff([]string{"127.0.0.1:53"}, serversIn(filepath.Join(t.TempDir(), "absent"))); diff != "" {
		t.Error(diff)
	}
}
