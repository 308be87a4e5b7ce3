package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

func main() {
	log.SetFlags(log.Ltime)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := bench(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func bench(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.postfix && postfixVersion(ctx) == "" {
		return errors.New("the relay Postfix is not installed: install it, or ask for -postfix=false")
	}
	s, err := newSuite(ctx, o)
	if err != nil {
		return err
	}
	err = s.run(ctx)
	fmt.Println(s.record.text())
	if o.out != "" && err == nil {
		err = s.record.save(o.out)
	}
	return err
}

// parse reads the command line.
func parse(args []string) (o options, err error) {
	var chosen, extras, controls, waiting string
	flags := flag.NewFlagSet("relaybench", flag.ContinueOnError)
	flags.StringVar(&o.binary, "postern", "", "path of Postern's binary")
	flags.StringVar(&o.base, "base", "", "path of another build of it, to compare with")
	flags.BoolVar(&o.postfix, "postfix", true, "run Postfix beside it")
	flags.StringVar(&o.dir, "dir", "", "directory for the relays, which must not exist; Postfix must be able to reach it")
	flags.StringVar(&o.out, "out", "", "directory for RECORD.md, record.json and record.svg")
	flags.StringVar(&chosen, "scenarios", "A,B,C,D,E,F", "which of the scenarios")
	flags.StringVar(&extras, "extras", "growth,control,crash", "what else is measured")
	flags.IntVar(&o.repetitions, "repetitions", 3, "of each scenario")
	flags.DurationVar(&o.duration, "duration", 5*time.Second, "of each flow of mail")
	flags.IntVar(&o.queued, "queued", 10_000, "messages of F")
	flags.IntVar(&o.idle, "idle", 500, "connections of E")
	flags.StringVar(&controls, "controls", "1000,100000", "numbers of destination controls")
	flags.StringVar(&waiting, "queue", "1000,100000", "lengths of the queue")
	flags.IntVar(&o.edits, "edits", 100, "edits that are timed")
	flags.IntVar(&o.commits, "commits", 1000, "commits in a row")
	flags.IntVar(&o.kills, "kills", 10, "times that the gateway is killed")
	flags.BoolVar(&o.quick, "quick", false, "prove the bench itself: everything, small, once")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.binary == "" || o.dir == "" {
		return o, errors.New("-postern and -dir are needed")
	}
	if o.quick {
		o.repetitions, o.duration, o.queued, o.idle, o.edits, o.commits, o.kills = 1, 2*time.Second, 1000, 50, 20, 100, 3
		controls, waiting = "1000,5000", "500,3000"
	}
	o.scenarios, o.extras = list(chosen), list(extras)
	if o.controls, err = sizes(controls); err != nil {
		return o, fmt.Errorf("-controls: %w", err)
	}
	if o.waiting, err = sizes(waiting); err != nil {
		return o, fmt.Errorf("-queue: %w", err)
	}
	return o, os.Mkdir(o.dir, 0o755)
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}

// sizes reads a list of ascending numbers.
func sizes(text string) ([]int, error) {
	var sizes []int
	for _, each := range list(text) {
		size, err := strconv.Atoi(each)
		if err != nil {
			return nil, err
		}
		if size < 1 || len(sizes) > 0 && size <= sizes[len(sizes)-1] {
			return nil, fmt.Errorf("%q is not an ascending list of sizes", text)
		}
		sizes = append(sizes, size)
	}
	if len(sizes) == 0 {
		return nil, errors.New("a size is needed")
	}
	return sizes, nil
}
