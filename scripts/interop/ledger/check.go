package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// comparison holds the ledgers against what arrived.
type comparison struct {
	acknowledged map[string]string // hash by id
	arrived      map[string]int    // copies by id
	corrupt      map[string]bool
	others       int // files with mail that is not ours
}

func runCheck(args []string, out, errs io.Writer) error {
	flags := newFlags("check", errs)
	dump := flags.String("dump", "", "`directory` of the files of smtp-sink -d")
	crash := flags.Int("crash", 0, "the gateway was killed meanwhile: so `many` messages may be doubled")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *dump == "" || flags.NArg() == 0 {
		return refuse(flags, "-dump and at least one ledger are required")
	}
	acknowledged, err := readLedgers(flags.Args())
	if err != nil {
		return err
	}
	c := comparison{acknowledged: acknowledged, arrived: map[string]int{}, corrupt: map[string]bool{}}
	if c.others, err = readDumps(*dump, c.add); err != nil {
		return err
	}
	c.report(out)
	return c.verdict(*crash)
}

// add takes note of a message that arrived.
func (c *comparison) add(a arrival) {
	c.arrived[a.id]++
	hash, promised := c.acknowledged[a.id]
	if !a.intact || promised && a.hash != hash {
		c.corrupt[a.id] = true
	}
}

func (c *comparison) lost() []string {
	return sorted(c.acknowledged, func(id string) bool { return c.arrived[id] == 0 })
}

func (c *comparison) doubled() []string {
	return sorted(c.arrived, func(id string) bool { return c.arrived[id] > 1 })
}

func (c *comparison) extra() []string {
	return sorted(c.arrived, func(id string) bool { return c.acknowledged[id] == "" })
}

// sorted returns those ids that the condition picks.
func sorted[V any](ids map[string]V, condition func(string) bool) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(ids)), func(id string) bool { return !condition(id) })
}

func (c *comparison) report(out io.Writer) {
	lost, doubled, corrupt, extra := c.lost(), c.doubled(), slices.Sorted(maps.Keys(c.corrupt)), c.extra()
	fmt.Fprintf(out, "acknowledged %d  arrived %d  lost %d  doubled %d  corrupt %d  extra %d  other mail %d\n",
		len(c.acknowledged), len(c.arrived), len(lost), len(doubled), len(corrupt), len(extra), c.others)
	list(out, "lost", lost)
	list(out, "doubled", doubled)
	list(out, "corrupt", corrupt)
}

// list names some of the messages, to be looked up in logs.
func list(out io.Writer, what string, ids []string) {
	const most = 10
	for _, id := range ids[:min(len(ids), most)] {
		fmt.Fprintf(out, "  %s: %s\n", what, id)
	}
}

// verdict returns what is wrong. B74: nothing that was acknowledged is lost; a
// delivery that was confirmed just before a crash may repeat, and nothing else.
func (c *comparison) verdict(mayDouble int) error {
	var faults []error
	if n := len(c.lost()); n > 0 {
		faults = append(faults, fmt.Errorf("%d messages are lost", n))
	}
	if n := len(c.corrupt); n > 0 {
		faults = append(faults, fmt.Errorf("%d messages are corrupt", n))
	}
	if n := len(c.doubled()); n > mayDouble {
		faults = append(faults, fmt.Errorf("%d messages are doubled, %d may be", n, mayDouble))
	}
	return errors.Join(faults...)
}
