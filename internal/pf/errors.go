package pf

import (
	"fmt"
	"slices"
	"strings"
)

// A Pos is a place in a rule text. Line and Col count from 1; the zero Pos is no place.
type Pos struct {
	Line, Col int32
}

// A style says how pfctl prints a message.
type style uint8

const (
	located style = iota // FILE:LINE: message.
	bare                 // message.
	warning              // pfctl: message.
)

// An Error is one message of pfctl about a rule text.
type Error struct {
	File string // As it was given; "stdin" for -.
	Pos  Pos    // Where it is. Known also when pfctl does not say so.
	Msg  string // In pfctl's words.
	Hint string // What was probably meant; "" when nothing helpful is known.

	// OnMac is set when another host may answer otherwise: the message is about a user, a service, an interface address.
	OnMac bool

	style style
}

// String is the line that pfctl prints, without a newline.
func (e Error) String() string {
	switch e.style {
	case bare:
		return e.Msg
	case warning:
		return "pfctl: " + e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Pos.Line, e.Msg)
}

// Errors are all messages about a rule text, in pfctl's order.
type Errors []Error

// Error is what pfctl prints, one message on a line.
func (e Errors) Error() string { return strings.Join(e.Lines(), "\n") }

// Lines are the lines that pfctl prints.
func (e Errors) Lines() []string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.String()
	}
	return lines
}

// Anywhere are the errors that every Mac would find, as far as is known: all but those about users, services, names and
// addresses of this one.
func (e Errors) Anywhere() Errors {
	return slices.DeleteFunc(slices.Clone(e), func(err Error) bool { return err.OnMac })
}
