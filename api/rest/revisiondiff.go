package rest

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"postern/domain/config"
)

// diffItem compares an item before and after a revision.
func diffItem(e config.RecordedEdit) (ItemDiff, error) {
	diff := ItemDiff{Kind: string(e.Kind), Key: e.Key, Action: "changed", Changes: []ValueDiff{}}
	before, err := decodeAny(e.Before)
	if err != nil {
		return diff, err
	}
	after, err := decodeAny(e.After)
	if err != nil {
		return diff, err
	}
	switch {
	case e.Before == nil:
		diff.Action = "created"
	case e.After == nil:
		diff.Action = "deleted"
	}
	diffValues(&diff.Changes, "", before, after)
	return diff, nil
}

// decodeAny reads a stored document; a missing one is an object without members.
func decodeAny(document json.RawMessage) (any, error) {
	if document == nil {
		return map[string]any{}, nil
	}
	var value any
	err := json.Unmarshal(document, &value)
	return value, err
}

// diffValues records the innermost values that differ.
func diffValues(changes *[]ValueDiff, at string, before, after any) {
	if reflect.DeepEqual(before, after) {
		return
	}
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			diffObjects(changes, at, b, a)
			return
		}
	case []any:
		if a, ok := after.([]any); ok {
			diffArrays(changes, at, b, a)
			return
		}
	}
	*changes = append(*changes, ValueDiff{Pointer: at, Before: before, After: after})
}

func diffObjects(changes *[]ValueDiff, at string, before, after map[string]any) {
	keys := maps.Clone(before)
	maps.Copy(keys, after)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		diffValues(changes, at+"/"+escapePointer(key), before[key], after[key])
	}
}

// diffArrays compares place by place: order is part of a list's meaning.
func diffArrays(changes *[]ValueDiff, at string, before, after []any) {
	for i := range max(len(before), len(after)) {
		diffValues(changes, at+"/"+strconv.Itoa(i), elementOf(before, i), elementOf(after, i))
	}
}

func elementOf(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}
