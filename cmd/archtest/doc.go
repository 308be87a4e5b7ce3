// Package archtest holds the house rules that a compiler does not: which room
// may import which, which room owns which foreign module, and what no file may
// contain. It has tests only; their tables are the rules, to be read and changed
// there.
package archtest
