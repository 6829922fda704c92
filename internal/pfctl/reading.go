package pfctl

import "slices"

// A reading is what a survey's main ruleset and /etc/pf.conf say, read once for all its anchors.
type reading struct {
	called statements          // the main ruleset's calls: the kind, and what it calls
	all    statements          // those of /etc/pf.conf
	others statements          // those that are not ours
	ours   map[string][]string // our lines about an anchor, by its name
	tidy   bool                // our lines stand where we would write them
}

func (s *Survey) read() *reading {
	s.onceRead.Do(func() {
		r := &s.reading
		for _, line := range s.main {
			if call := callLine.FindStringSubmatch(line); call != nil {
				r.called = append(r.called, statement{words: call[1:3]})
			}
		}
		r.all, r.ours = s.Conf.statements(), map[string][]string{}
		for _, st := range r.all {
			if !st.ours {
				r.others = append(r.others, st)
				continue
			}
			line := string(s.Conf[st.start:st.end])
			r.ours[anchorOf(line)] = append(r.ours[anchorOf(line)], line)
		}
		r.tidy = s.Conf.withOurs(s.Conf.ours()) == s.Conf
	})
	return &s.reading
}

// with is Conf.With, which is a lot of work, where that would change anything.
func (s *Survey) with(name, file string, kinds []string) Conf {
	r := s.read()
	if lines := r.others.lines(name, file, kinds); r.tidy && slices.Equal(inOrder(lines), inOrder(r.ours[name])) {
		return s.Conf
	}
	return s.Conf.With(name, file, kinds)
}

// inOrder has lines in the order in which the file has their sections.
func inOrder(lines []string) []string {
	place := func(line string) section {
		if s := (statement{words: wordsOf(line)}).section(); s != anywhere {
			return s
		}
		return filtering
	}
	return slices.SortedStableFunc(slices.Values(lines), func(a, b string) int { return int(place(a) - place(b)) })
}
