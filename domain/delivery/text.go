package delivery

import "postern/domain"

// UnmarshalText takes a status's name.
func (s *Status) UnmarshalText(text []byte) error {
	for i, name := range statusNames {
		if name == string(text) {
			*s = Status(i)
			return nil
		}
	}
	return domain.E(domain.Invalid, "%q is no status of a delivery", text)
}
