package macsim

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

func newParser() *syntax.Parser { return syntax.NewParser(syntax.Variant(syntax.LangBash)) }

// asSh puts parentheses around the last command of each pipeline. The interpreter runs it in the shell itself, as zsh does; sh does
// not, so that what a loop at the end of a pipeline sets is lost. Text that does not parse is returned as it is.
func asSh(text string) string {
	if !strings.Contains(text, "|") {
		return text
	}
	file, err := newParser().Parse(strings.NewReader(text), "")
	if err != nil {
		return text
	}
	type paren struct {
		at   int
		text string
	}
	var parens []paren
	inner := map[syntax.Command]bool{} // pipelines to the left of another pipe: they run in a shell of their own
	syntax.Walk(file, func(n syntax.Node) bool {
		c, ok := n.(*syntax.BinaryCmd)
		if !ok || c.Op != syntax.Pipe && c.Op != syntax.PipeAll {
			return true
		}
		inner[c.X.Cmd] = true
		if !inner[c] && !hasHeredoc(c.Y) {
			parens = append(parens, paren{int(c.Y.Pos().Offset()), " ( "}, paren{int(c.Y.End().Offset()), " ) "})
		}
		return true
	})
	// From the end, so that offsets stay right; where several stand at one place, those that end first.
	slices.SortStableFunc(parens, func(a, b paren) int { return b.at - a.at })
	for _, p := range parens {
		text = text[:p.at] + p.text + text[p.at:]
	}
	return text
}

// hasHeredoc tells whether a here-document begins in a statement: its text would come before the closing parenthesis.
func hasHeredoc(s *syntax.Stmt) bool {
	found := false
	syntax.Walk(s, func(n syntax.Node) bool {
		if r, ok := n.(*syntax.Redirect); ok && (r.Op == syntax.Hdoc || r.Op == syntax.DashHdoc) {
			found = true
		}
		return true
	})
	return found
}

// nameArg0 makes the $0 of a file read another variable: a statement run on its own does not tell the interpreter what $0 is.
func nameArg0(file *syntax.File) {
	syntax.Walk(file, func(n syntax.Node) bool {
		if e, ok := n.(*syntax.ParamExp); ok && e.Param != nil && e.Param.Value == "0" {
			e.Param.Value = arg0Var
		}
		return true
	})
}

// exitStmt is the command exit.
func exitStmt() *syntax.Stmt {
	file, err := newParser().Parse(strings.NewReader("exit"), "")
	if err != nil {
		panic(err)
	}
	return file.Stmts[0]
}
