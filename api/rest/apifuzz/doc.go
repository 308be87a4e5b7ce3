// Package apifuzz asks every operation of the OpenAPI document what it makes of
// good, bad and borderline requests, and judges the replies.
//
// It knows nothing of the interface but the document: paths, parameters,
// headers and bodies are derived from schemas and examples, each time with one
// thing changed (a value of another type, a bound passed by one, a member that
// is unknown, a key that occurs twice). Whatever was asked, the reply must be
// one that the document describes and never a 500; what the document forbids
// must be refused, with a JSON pointer to the member that is wrong.
//
// The order and the choice of requests follow from a seed, so that a finding can
// be repeated.
package apifuzz
