package rest

import (
	"bytes"
	"encoding"
	"encoding/csv"
	"encoding/json"
	"reflect"
	"strings"

	"postern/domain"
)

// A table in CSV has a column for each member of the document, by its JSON name.
// A cell is the text itself where the member is a text, and else JSON, as 5, true
// or [{"host":"mx.example"}]; an empty cell stands for a member that is absent.

// column is a member of a document as a column of a table.
type column struct {
	name   string
	isText bool
}

// columnsOf returns the columns of tables of T, in the order of its fields.
func columnsOf[T any]() []column {
	var columns []column
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && name != "" && name != "-" {
			columns = append(columns, column{name, travelsAsText(f.Type)})
		}
	}
	return columns
}

// travelsAsText reports whether values of the type are JSON strings.
func travelsAsText(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.String || t == timeType || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func columnNames(columns []column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return names
}

// appendCSV writes a row as RFC 4180 has it.
func appendCSV(to []byte, row []string) []byte {
	out := bytes.NewBuffer(to)
	w := csv.NewWriter(out)
	w.UseCRLF = true
	_ = w.Write(row) // into memory
	w.Flush()
	return out.Bytes()
}

// cellsOf returns a document as a row.
func cellsOf[T any](document T) []string {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(mustJSON(document), &members) // an object, by its type
	columns := columnsOf[T]()
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = string(members[c.name])
		var text string
		if c.isText && json.Unmarshal(members[c.name], &text) == nil {
			cells[i] = text
		}
	}
	return cells
}

// documentOf makes a JSON document of a row.
func documentOf(columns []column, row []string) ([]byte, domain.Faults) {
	members, faults := map[string]json.RawMessage{}, domain.Faults(nil)
	for i, c := range columns {
		switch cell := row[i]; {
		case cell == "":
		case c.isText:
			members[c.name] = mustJSON(cell)
		case json.Valid([]byte(cell)):
			members[c.name] = json.RawMessage(cell)
		default:
			faults.Add("/"+escapePointer(c.name), "must be JSON, as 5, true or [\"a\"]; an empty cell where there is nothing")
		}
	}
	return mustJSON(members), faults
}

// headOf reads the first row of a table: names of columns, each once.
func headOf(columns []column, row []string) ([]column, domain.Faults) {
	known := map[string]column{}
	for _, c := range columns {
		known[c.name] = c
	}
	var head []column
	var faults domain.Faults
	for _, name := range row {
		c, ok := known[name]
		switch {
		case !ok:
			faults.Add("", "there is no column %q; those that there are: %s", shorten(name, 100), strings.Join(columnNames(columns), ", "))
		case c.name == "":
			faults.Add("", "the column %q occurs twice", name)
		}
		known[name] = column{}
		head = append(head, c)
	}
	return head, faults
}
