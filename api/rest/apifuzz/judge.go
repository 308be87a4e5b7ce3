package apifuzz

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// judge says what is wrong with a reply; nil if nothing is.
func (r *runner) judge(t trial, got answer) error {
	status := got.head.StatusCode
	switch {
	case status == http.StatusInternalServerError:
		return errors.New("an internal error")
	case len(t.statuses) > 0 && !slices.Contains(t.statuses, status):
		return fmt.Errorf("want one of the statuses %d", t.statuses)
	case t.refused && status/100 != 4:
		return errors.New("the document forbids this, and it was taken")
	}
	if err := r.contract.CheckReply(got.head.Request, got.head, got.body); err != nil {
		return err
	}
	if t.pointer != nil && (status == http.StatusBadRequest || status == http.StatusUnprocessableEntity) {
		return names(got.body, *t.pointer)
	}
	return nil
}

// names says whether a problem names the place, one that holds it, or one in it.
func names(body []byte, place string) error {
	var problem struct{ Errors []struct{ Pointer string } }
	if err := json.Unmarshal(body, &problem); err != nil {
		return err
	}
	for _, fault := range problem.Errors {
		if within(fault.Pointer, place) || within(place, fault.Pointer) {
			return nil
		}
	}
	return fmt.Errorf("no fault names %q", place)
}

func within(inner, outer string) bool {
	return inner == outer || strings.HasPrefix(inner, outer+"/")
}
