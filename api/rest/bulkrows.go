package rest

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"

	"postern/domain"
)

// maxRowBytes bounds one row of a table.
const maxRowBytes = 64 << 10

// row is one document of a table, and where it stands.
type row struct {
	line     int
	document []byte
	faults   domain.Faults // why there is no document
}

// rowReader returns one row after the other, and io.EOF behind the last. After
// another error there is nothing more to read.
type rowReader func() (row, error)

// endError is a fault after which the rest cannot be read.
func endError(line int, message string) error {
	return domain.Faults{{Line: line, Message: message}}.Err()
}

// readNDJSON reads a document a line; empty lines do not count.
func readNDJSON(from io.Reader) rowReader {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, maxRowBytes)
	line := 0
	return func() (row, error) {
		for scanner.Scan() {
			line++
			if text := bytes.TrimSpace(scanner.Bytes()); len(text) > 0 {
				return row{line: line, document: text}, nil
			}
		}
		switch err := scanner.Err(); {
		case err == nil:
			return row{}, io.EOF
		case errors.Is(err, bufio.ErrTooLong):
			return row{}, endError(line+1, "is longer than 65536 octets; what follows was not read")
		default:
			return row{}, err
		}
	}
}

// utf8Mark is the mark with which some programs begin UTF-8 text.
const utf8Mark = "\xef\xbb\xbf"

// readCSV reads a table with the names of its columns first.
func readCSV(from io.Reader, columns []column) rowReader {
	buffered := bufio.NewReader(from)
	if start, _ := buffered.Peek(len(utf8Mark)); string(start) == utf8Mark {
		_, _ = buffered.Discard(len(utf8Mark))
	}
	table := csv.NewReader(buffered)
	table.ReuseRecord = true
	var head []column
	return func() (row, error) {
		if head == nil {
			names, err := table.Read()
			if err != nil {
				return row{}, csvError(err)
			}
			found, faults := headOf(columns, names)
			for i := range faults {
				faults[i].Line = 1
			}
			if len(faults) > 0 {
				return row{}, faults.Err()
			}
			head = found
		}
		return readRecord(table, head)
	}
}

func readRecord(table *csv.Reader, head []column) (row, error) {
	cells, err := table.Read()
	if errors.Is(err, csv.ErrFieldCount) {
		line, _ := table.FieldPos(0)
		return row{line: line, faults: domain.Faults{{Message: "has more or fewer cells than the table has columns"}}}, nil
	}
	if err != nil {
		return row{}, csvError(err)
	}
	r, size := row{}, 0
	r.line, _ = table.FieldPos(0)
	for _, cell := range cells {
		size += len(cell)
	}
	if size > maxRowBytes {
		r.faults.Add("", "is longer than 65536 octets")
		return r, nil
	}
	r.document, r.faults = documentOf(head, cells)
	return r, nil
}

// csvError makes a fault of what is no CSV.
func csvError(err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return endError(parse.Line, "is no CSV: "+parse.Err.Error()+"; what follows was not read")
	}
	return err
}
