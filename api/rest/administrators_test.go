package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/account"
)

func TestAdministrators(t *testing.T) {
	f := newFixture(t)
	const list = "/api/v1/administrators"
	var names []string
	first := decoded[Page[Administrator]](f.callAs("viewer", "GET", list+"?limit=3", "").want(http.StatusOK))
	second := decoded[Page[Administrator]](f.callAs("viewer", "GET", list+"?limit=3&cursor="+first.NextCursor, "").want(http.StatusOK))
	for _, each := range append(first.Items, second.Items...) {
		names = append(names, each.Name)
	}
	want := []string{"test-admin", "test-certificate_manager", "test-operator", "test-viewer"}
	if diff := cmp.Diff(want, names); diff != "" || second.NextCursor != "" {
		t.Errorf("cursor %q, names\n%s", second.NextCursor, diff)
	}

	got := f.call("GET", list+"/test-operator", "").want(http.StatusOK)
	if one := decoded[Administrator](got); one.Role != account.RoleOperator || one.HasPassword {
		t.Errorf("%+v", one)
	}
	f.call("GET", list+"/test-operator", "", "If-None-Match", got.etag()).want(http.StatusNotModified)
	f.call("GET", list+"/test%2Doperator", "").want(http.StatusOK)
	f.call("GET", list+"/nobody", "").want(http.StatusNotFound)
}

func TestSetPassword(t *testing.T) {
	f := newFixture(t)
	const secret = "a sentence that nobody guesses"
	const path = "/api/v1/administrators/test-operator"
	before := f.call("GET", path, "").want(http.StatusOK)
	f.call("PUT", path+"/password", example(t, "PasswordChange")).want(http.StatusNoContent)
	opened, err := f.login(t, "test-operator", secret)
	if err != nil || opened.Role != account.RoleOperator {
		t.Errorf("the password is good for %+v, error %v", opened, err)
	}
	after := f.call("GET", path, "", "If-None-Match", before.etag()).want(http.StatusOK)
	if body := string(after.body); !decoded[Administrator](after).HasPassword || strings.Contains(body, "argon2") {
		t.Errorf("shown as %s", body)
	}

	f.callAs("operator", "PUT", path+"/password", `{"password":"another long password"}`).want(http.StatusNoContent)
	if _, err := f.login(t, "test-operator", secret); domain.KindOf(err) != domain.Unauthenticated {
		t.Errorf("the former password is good: %v", err)
	}
	if _, err := f.people.Current(t.Context(), opened); domain.KindOf(err) != domain.Unauthenticated {
		t.Errorf("the former password goes on in sessions: %v", err)
	}
	for _, never := range []string{secret, "another long password"} {
		if strings.Contains(f.log.String(), never) {
			t.Errorf("the log has %q", never)
		}
	}
}

func TestRefusedPasswords(t *testing.T) {
	f := newFixture(t)
	const good = `{"password":"another long password"}`
	path := func(name string) string { return "/api/v1/administrators/" + name + "/password" }

	f.callAs("certificate_manager", "PUT", path("test-admin"), good).want(http.StatusForbidden)
	f.callAs("viewer", "PUT", path("nobody"), good).want(http.StatusForbidden)
	f.call("PUT", path("nobody"), good).want(http.StatusNotFound)
	f.call("PUT", path("test-admin"), `{"password":"too short"}`).want(http.StatusUnprocessableEntity)
	f.call("PUT", path("test-admin"), `{"password":12345678901234}`).want(http.StatusUnprocessableEntity)
	f.call("PUT", path("test-admin"), `{"password":null}`).want(http.StatusUnprocessableEntity)
	f.call("PUT", path("test-admin"), `{"password":"another long password","role":"admin"}`).want(http.StatusBadRequest)
	f.call("PUT", path("test-admin"), `"another long password"`).want(http.StatusUnprocessableEntity)
	f.call("GET", path("test-admin"), "").want(http.StatusMethodNotAllowed)
	if _, err := f.login(t, "test-admin", "another long password"); domain.KindOf(err) != domain.Unauthenticated {
		t.Errorf("a refused password was set: %v", err)
	}
	a := f.call("PUT", path("test-admin"), `{"password":"pstn_0123456789abcdef"}`).want(http.StatusUnprocessableEntity)
	if strings.Contains(string(a.body), "0123456789abcdef") {
		t.Errorf("the problem repeats the password: %s", a.body)
	}
}

func TestLifeOfAnAdministratorByREST(t *testing.T) {
	f := newFixture(t)
	const olga = basePath + "/administrators/olga"
	made := f.call("PUT", olga, `{"role":"operator"}`).want(http.StatusCreated)
	if made.header.Get("Location") != olga {
		t.Errorf("location %q", made.header.Get("Location"))
	}
	f.call("PUT", olga, `{"role":"viewer"}`, "If-None-Match", "*").want(http.StatusPreconditionFailed)
	f.call("PUT", olga, `{"role":"viewer"}`, "If-Match", `"other"`).want(http.StatusPreconditionFailed)
	changed := f.call("PUT", olga, `{"role":"viewer","disabled":true}`, "If-Match", made.etag()).want(http.StatusOK)
	if a := decoded[Administrator](changed); a.Role != account.RoleViewer || !a.Disabled || a.HasPassword {
		t.Errorf("administrator %+v", a)
	}
	f.callAs("operator", "PUT", olga, `{"role":"admin"}`).want(http.StatusForbidden)
	f.call("PUT", olga, `{"role":"emperor"}`).want(http.StatusUnprocessableEntity)
	f.call("DELETE", olga, "", "If-Match", made.etag()).want(http.StatusPreconditionFailed)
	f.call("DELETE", olga, "", "If-Match", changed.etag()).want(http.StatusNoContent)
	f.call("DELETE", olga, "").want(http.StatusNotFound)
	f.call("DELETE", basePath+"/administrators/test-admin", "").want(http.StatusConflict) // the last one
}
