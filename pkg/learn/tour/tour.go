// Package tour contains the tour of a Kubernetes control plane, from a node with a container
// runtime to a cluster: text, commands, and what each command must print.
package tour

import (
	"embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Step is one chapter of the tour.
type Step struct {
	// Name is a single word, such as "pause".
	Name  string
	Title string
	// Stage is the last component that is up at the end of the step.
	Stage string
	// Blocks are the paragraphs and commands of the step, in order.
	Blocks []Block
}

// A Block is either a paragraph of Markdown or a command.
type Block struct {
	Text    string
	Command *Command
}

// A Command is a command for a shell, with its expected result.
type Command struct {
	// Script is the text of the command. It may have several lines.
	Script string
	// Watch is set if the command changes nothing, and is repeated until its output is as
	// expected.
	Watch bool
	// Fails is set if the command must fail, with any exit code but 0.
	Fails bool
	// Wants must match the output, which is standard output and standard error together. Bars
	// must not match it.
	Wants, Bars []*regexp.Regexp
}

//go:embed steps/*.md
var files embed.FS

// Steps returns the steps of the tour. It parses them at each call.
func Steps() ([]Step, error) {
	entries, err := files.ReadDir("steps")
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, e := range entries { // ReadDir sorts by name, which begins with a number
		data, err := files.ReadFile("steps/" + e.Name())
		if err != nil {
			return nil, err
		}
		_, name, _ := strings.Cut(strings.TrimSuffix(e.Name(), ".md"), "-")
		step, err := parse(name, string(data))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", e.Name(), err)
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// Names returns the names of the steps, in order.
func Names(steps []Step) []string {
	var names []string
	for _, s := range steps {
		names = append(names, s.Name)
	}
	return names
}

// Index returns the index of the step with a name, or -1 if there is none.
func Index(steps []Step, name string) int { return slices.Index(Names(steps), name) }

// Commands returns the commands of a step, in order.
func (s Step) Commands() []*Command {
	var list []*Command
	for _, b := range s.Blocks {
		if b.Command != nil {
			list = append(list, b.Command)
		}
	}
	return list
}

// parse parses a step: a title, the line "Stage: COMPONENT", and then paragraphs and fenced
// blocks. A block of the language console is a command. Its first line begins with "$ ", and the
// others with "> ". After the language, the words watch and fails set these fields. A block of
// the language want has regular expressions for the output of the command before it, one a line.
// An expression after "!" must not match.
func parse(name, text string) (Step, error) {
	title, rest, _ := strings.Cut(text, "\n")
	s := Step{Name: name, Title: strings.TrimPrefix(title, "# ")}
	stage, rest, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	s.Stage = strings.TrimPrefix(stage, "Stage: ")
	if s.Title == title || s.Stage == stage {
		return s, errors.New("it does not begin with a title and a stage")
	}
	for rest += "\n"; rest != ""; {
		before, block, fenced := strings.Cut(rest, "```")
		for _, paragraph := range strings.Split(before, "\n\n") {
			if p := strings.TrimSpace(paragraph); p != "" {
				s.Blocks = append(s.Blocks, Block{Text: p})
			}
		}
		if !fenced {
			return s, nil
		}
		body, after, closed := strings.Cut(block, "\n```\n")
		if !closed {
			return s, errors.New("a block is not closed")
		}
		language, body, _ := strings.Cut(body, "\n")
		if err := s.block(strings.Fields(language), body); err != nil {
			return s, err
		}
		rest = after
	}
	return s, nil
}

// block adds a fenced block to the step.
func (s *Step) block(language []string, body string) error {
	switch {
	case len(language) > 0 && language[0] == "console":
		command, err := command(language[1:], body)
		s.Blocks = append(s.Blocks, Block{Command: command})
		return err
	case slices.Equal(language, []string{"want"}):
		commands := s.Commands()
		if len(commands) == 0 {
			return errors.New("an expectation comes before the first command")
		}
		return commands[len(commands)-1].want(body)
	}
	return fmt.Errorf("a block of the language %q", language)
}

func command(words []string, body string) (*Command, error) {
	c := &Command{Watch: slices.Contains(words, "watch"), Fails: slices.Contains(words, "fails")}
	var script []string
	for i, line := range strings.Split(body, "\n") {
		prompt := "> "
		if i == 0 {
			prompt = "$ "
		}
		text, ok := strings.CutPrefix(line, prompt)
		if !ok {
			return nil, fmt.Errorf("line %q of a command does not begin with %q", line, prompt)
		}
		script = append(script, text)
	}
	c.Script = strings.Join(script, "\n")
	return c, nil
}

func (c *Command) want(body string) error {
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		pattern, bar := strings.CutPrefix(line, "!")
		re, err := regexp.Compile("(?m)" + pattern)
		if err != nil {
			return err
		}
		if bar {
			c.Bars = append(c.Bars, re)
		} else {
			c.Wants = append(c.Wants, re)
		}
	}
	return nil
}
