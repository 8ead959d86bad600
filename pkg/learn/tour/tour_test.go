package tour

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
)

func TestSteps(t *testing.T) {
	t.Parallel()
	steps, err := Steps()
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) < 10 || Index(steps, "pause") < 0 || Index(steps, "nowhere") >= 0 {
		t.Errorf("the steps are %q", Names(steps))
	}
	for _, s := range steps {
		if s.Title == "" || s.Stage == "" || len(s.Commands()) == 0 {
			t.Errorf("step %s is called %q, ends at %q and has %d commands", s.Name, s.Title, s.Stage, len(s.Commands()))
		}
		for _, c := range s.Commands() {
			if c.Watch && len(c.Wants) == 0 {
				t.Errorf("step %s waits for nothing: %s", s.Name, c.Script)
			}
		}
		for _, b := range s.Blocks {
			for line := range strings.Lines(b.Text) {
				if len(line) > 100 {
					t.Errorf("step %s has a long line: %s", s.Name, line)
				}
			}
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	s, err := parse("x", "# Title\nStage: kubelet\n\nOne\nparagraph.\n\nAnother.\n\n```console watch fails\n$ a <<END\n> b\n> END\n```\n```want\n^yes$\n!no\n```\n\nThe end.\n")
	if err != nil {
		t.Fatal(err)
	}
	if s.Title != "Title" || s.Stage != "kubelet" || len(s.Blocks) != 4 || s.Blocks[0].Text != "One\nparagraph." || s.Blocks[3].Text != "The end." {
		t.Errorf("parse = %+v", s)
	}
	c := s.Commands()[0]
	if c.Script != "a <<END\nb\nEND" || !c.Watch || !c.Fails || len(c.Wants) != 1 || len(c.Bars) != 1 {
		t.Errorf("the command is %+v", c)
	}
}

func TestParseMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Title\nStage: x\n":                                        "it does not begin with a title and a stage",
		"# Title\n\nStage\n":                                       "it does not begin with a title and a stage",
		"# T\nStage: x\n\n```console\n$ a\n":                       "a block is not closed",
		"# T\nStage: x\n\n```sh\na\n```\n":                         `a block of the language ["sh"]`,
		"# T\nStage: x\n\n```want\na\n```\n":                       "an expectation comes before the first command",
		"# T\nStage: x\n\n```console\na\n```\n":                    `line "a" of a command does not begin with "$ "`,
		"# T\nStage: x\n\n```console\n$ a\nb\n```\n":               `line "b" of a command does not begin with "> "`,
		"# T\nStage: x\n\n```console\n$ a\n```\n```want\n(\n```\n": "error parsing regexp: missing closing ): `(?m)(`",
	} {
		if _, err := parse("x", text); err == nil || err.Error() != want {
			t.Errorf("%q: parse = %v; want %s", text, err, want)
		}
	}
}

// TestPlay checks that a command that watches is repeated until its output is as expected, and
// any other command runs once.
func TestPlay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		language, want string
		outputs        []string // of the runs; the last one is used for all further runs
		code           int
		wrong          string
		runs           int
	}{
		"as it must be": {"console", "^b$", []string{"a\nb\n"}, 0, "", 1},
		"not at once":   {"console", "b", []string{"a", "b"}, 0, `its output does not match "b"`, 1},
		"watched":       {"console watch", "b\n!a", []string{"", "a\nb", "b"}, 0, "", 3},
		"never":         {"console watch", "b", []string{"a"}, 0, `its output does not match "b"`, 182},
		"too much":      {"console", "!a", []string{"a"}, 0, `its output must not match "a", but does`, 1},
		"failed":        {"console", "a", []string{"a"}, 3, "it failed with exit code 3", 1},
		"to fail":       {"console fails", "a", []string{"a"}, 3, "", 1},
		"to fail, alas": {"console fails", "a", []string{"a"}, 0, "it must fail, but it succeeded", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, err := parse("x", "# T\nStage: x\n\n```"+test.language+"\n$ c\n```\n```want\n"+test.want+"\n```\n")
				if err != nil {
					t.Fatal(err)
				}
				runs, seen := 0, 0
				sh := func(_ context.Context, script string) (string, int, error) {
					if script != "c" {
						t.Errorf("ran %q", script)
					}
					runs++
					return test.outputs[min(runs, len(test.outputs))-1], test.code, nil
				}
				r, err := s.Commands()[0].Play(t.Context(), sh, func(Result) { seen++ })
				if err != nil || r.Wrong != test.wrong || runs != test.runs || seen != runs {
					t.Errorf("Play = %+v, %v after %d runs, of which %d were seen", r, err, runs, seen)
				}
			})
		})
	}
}

func TestPlayEnds(t *testing.T) {
	t.Parallel()
	c := &Command{Script: "c", Watch: true, Fails: true}
	ctx, cancel := context.WithCancel(t.Context())
	sh := func(context.Context, string) (string, int, error) {
		cancel()
		return "", 0, nil
	}
	if _, err := c.Play(ctx, sh, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Play = %v", err)
	}
	broken := errors.New("no shell")
	if _, err := c.Play(t.Context(), func(context.Context, string) (string, int, error) { return "", 0, broken }, nil); !errors.Is(err, broken) {
		t.Errorf("Play = %v", err)
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	s, err := parse("x", "# T\nStage: x\n\nText.\n\n```console\n$ a\n> b\n```\n\n```console\n$ c\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Document([]Step{s}, map[string][]string{"x": {"one", ""}}, "p")
	want := preface + "\n## 1. T\n\n![The components by now](p/x.svg)\n\nText.\n\n```console\n$ a\n> b\none\n```\n\n```console\n$ c\n```\n"
	if err != nil || got != want {
		t.Errorf("Document = %v\n%s", err, got)
	}
	if _, err := Document([]Step{s}, map[string][]string{"x": {"one"}}, "p"); err == nil {
		t.Error("Document takes less than there are commands")
	}
}
