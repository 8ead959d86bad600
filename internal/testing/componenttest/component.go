package componenttest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
)

// Limits for the words of a lesson.
const fewestWords, mostWords = 120, 200

// headings are the headings of a lesson after its title.
var headings = []string{"## What it is for", "## What it talks to", "## See it", "## What breaks without it"}

// Described checks the description of a component: its name, its one-line description, the reasons
// of its flags, the purpose of its ports, and the form of its lesson.
func Described(t *testing.T, c component.Component) {
	t.Helper()
	if c.Name == "" || c.Short == "" || len(c.Short) > 100 || strings.Contains(c.Short, "\n") || strings.HasSuffix(c.Short, ".") {
		t.Errorf("%q is described as %q: want one short line without a full stop", c.Name, c.Short)
	}
	if c.Flags != nil {
		cl := Cluster(t, config.Cluster{
			Nodes:        []config.Node{{Labels: map[string]string{"a": "b"}}},
			FeatureGates: map[string]bool{"A": true}, RuntimeConfig: map[string]string{"api/all": "true"},
		})
		Flags(t, c.Flags(cl, cl.Nodes[0]))
	}
	for _, p := range c.Ports {
		if p.Number == 0 || p.Protocol == "" || p.For == "" || strings.HasSuffix(p.For, ".") {
			t.Errorf("port %+v is not described by a few words", p)
		}
	}
	lesson := filepath.Join(folder(t, c), "lesson.md")
	for _, mistake := range lessonMistakes(c.Name, c.Lesson) {
		t.Errorf("%s: %s", lesson, mistake)
	}
}

// folder returns the folder of a component. It is the one with the component's lesson: the folder
// of the test or a folder in it.
func folder(t *testing.T, c component.Component) string {
	t.Helper()
	lessons := []string{"lesson.md"}
	for _, pattern := range []string{"*/lesson.md", "*/*/lesson.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		lessons = append(lessons, found...)
	}
	for _, path := range lessons {
		if file, err := os.ReadFile(path); err == nil && string(file) == c.Lesson {
			return filepath.Dir(path)
		}
	}
	t.Fatalf("%s has a lesson that is no lesson.md of this folder or of one in it", c.Name)
	return ""
}

// command matches a line in the section "See it" of a lesson.
var command = regexp.MustCompile(`(?m)^    ((?:mkube|kubectl) .+)$`)

func lessonMistakes(name, lesson string) []string {
	var mistakes []string
	if !strings.HasPrefix(lesson, "# "+name+"\n\n") {
		mistakes = append(mistakes, "it does not begin with # "+name)
	}
	var found []string
	for line := range strings.Lines(lesson) {
		if strings.HasPrefix(line, "## ") {
			found = append(found, strings.TrimSpace(line))
		}
		if len(line) > 100 {
			mistakes = append(mistakes, "a line is longer than 99 characters: "+line)
		}
	}
	if got, want := strings.Join(found, ", "), strings.Join(headings, ", "); got != want {
		mistakes = append(mistakes, "its headings are "+got+"; want "+want)
	}
	if words := len(strings.Fields(lesson)); words < fewestWords || words > mostWords {
		mistakes = append(mistakes, "it is too short or too long: want 120 to 200 words")
	}
	_, see, _ := strings.Cut(lesson, "## See it\n")
	see, _, _ = strings.Cut(see, "\n## ")
	if n := len(command.FindAllString(see, -1)); n < 2 || n > 3 {
		mistakes = append(mistakes, "See it has not 2 or 3 commands, each a line indented by four spaces")
	}
	if strings.Contains(lesson, "\t") || !strings.HasSuffix(lesson, "\n") || strings.HasSuffix(lesson, "\n\n") {
		mistakes = append(mistakes, "it has tabs, or does not end with one newline")
	}
	return mistakes
}

// Flags checks that each flag of a component has a unique name, and a reason of one sentence.
func Flags(t *testing.T, flags []component.Flag) {
	t.Helper()
	seen := map[string]bool{}
	for _, f := range flags {
		if f.Name == "" || strings.HasPrefix(f.Name, "-") || seen[f.Name] {
			t.Errorf("flag %q has no name of its own, without dashes", f.Name)
		}
		seen[f.Name] = true
		if f.Value == "" {
			t.Errorf("flag %s has no value", f.Name)
		}
		if !strings.HasSuffix(f.Why, ".") || strings.Contains(f.Why, "\n") {
			t.Errorf("flag %s has the reason %q: want one sentence", f.Name, f.Why)
		}
	}
}
