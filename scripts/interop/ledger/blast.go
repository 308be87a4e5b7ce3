package main

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// blastOptions are the flags of "ledger blast".
type blastOptions struct {
	target        target
	ledger        string
	to            []string      // recipients, in turn
	sizes         []int         // octets of a message, in turn
	ascii         bool          // no octets above 127
	messages      int           // to be acknowledged; 0: until the deadline or a signal
	connections   int           // at a time
	perConnection int           // messages
	rate          float64       // messages a second, all connections together; 0: no limit
	deadline      time.Duration // 0: none
	strict        bool
}

func runBlast(ctx context.Context, args []string, out, errs io.Writer) error {
	o := blastOptions{sizes: []int{4096}}
	flags := newFlags("blast", errs)
	flags.StringVar(&o.target.addr, "addr", "", "`host:port` of the gateway")
	flags.StringVar(&o.ledger, "ledger", "", "`file` to add acknowledged messages to")
	flags.IntVar(&o.messages, "n", 1000, "messages to be acknowledged; 0: until the deadline, or SIGTERM")
	flags.IntVar(&o.connections, "c", 10, "connections at a time")
	flags.IntVar(&o.perConnection, "m", 20, "messages over one connection")
	flags.Func("size", "octets of a message, about (4096); several, separated by `commas`, take turns", o.setSizes)
	flags.BoolVar(&o.ascii, "ascii", false, "no octets above 127, so that a hop without 8BITMIME can take the mail")
	flags.Float64Var(&o.rate, "rate", 0, "messages a second, all connections together; 0: no limit")
	flags.BoolVar(&o.target.startTLS, "starttls", false, "encrypt every session by STARTTLS")
	flags.Func("rcpt", "recipients, separated by `commas`; they take turns", o.setRecipients)
	flags.StringVar(&o.target.from, "from", "ledger@client.example", "envelope `sender`")
	flags.StringVar(&o.target.helo, "helo", "client.example", "`name` in EHLO")
	flags.DurationVar(&o.deadline, "deadline", 5*time.Minute, "give up after this time; 0: never")
	flags.BoolVar(&o.strict, "strict", false, "fail if any connection was refused or dropped, or any command refused")
	if err := parse(flags, args); err != nil {
		return err
	}
	if o.target.addr == "" || o.ledger == "" || len(o.to) == 0 || flags.NArg() > 0 {
		return refuse(flags, "-addr, -ledger and -rcpt are required, and nothing but flags")
	}
	return o.run(ctx, out)
}

func (o *blastOptions) setRecipients(list string) error {
	o.to = strings.Split(list, ",")
	return nil
}

func (o *blastOptions) setSizes(list string) error {
	o.sizes = nil
	for _, text := range strings.Split(list, ",") {
		size, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		o.sizes = append(o.sizes, size)
	}
	return nil
}

func (o blastOptions) run(ctx context.Context, out io.Writer) error {
	book, err := openLedger(o.ledger)
	if err != nil {
		return err
	}
	if o.deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.deadline)
		defer cancel()
	}
	b := &blaster{blastOptions: o, author: newAuthor(o), book: book}
	begin := time.Now()
	b.run(ctx)
	b.report(out, time.Since(begin))
	return errors.Join(b.verdict(), book.close())
}
