package tour

import (
	"fmt"
	"strings"
)

// Document returns the tour as a page of Markdown. printed has the outputs of the commands, a
// list for each step, in the order of its commands. pictures is the folder with a picture
// NAME.svg for each step. If the number of outputs of a step differs from the number of its
// commands, Document returns an error.
func Document(steps []Step, printed map[string][]string, pictures string) (string, error) {
	var b strings.Builder
	b.WriteString(preface)
	for i, s := range steps {
		outputs := printed[s.Name]
		if len(outputs) != len(s.Commands()) {
			return "", fmt.Errorf("step %s has %d commands, and the output of %d: record them again", s.Name, len(s.Commands()), len(outputs))
		}
		fmt.Fprintf(&b, "\n## %d. %s\n\n![The components by now](%s/%s.svg)\n", i+1, s.Title, pictures, s.Name)
		for _, block := range s.Blocks {
			if block.Command == nil {
				fmt.Fprintf(&b, "\n%s\n", block.Text)
				continue
			}
			fmt.Fprintf(&b, "\n```console\n$ %s\n%s```\n", strings.ReplaceAll(block.Command.Script, "\n", "\n> "), closed(outputs[0]))
			outputs = outputs[1:]
		}
	}
	return b.String(), nil
}

const preface = `# A Kubernetes control plane, component by component

` + "`make walkthrough`" + ` generates this page from the steps of ` + "`mkube tour`" + ` (pkg/learn/tour/steps) and from the output of their
commands on a real cluster. Do not edit it. To take the same steps on your own cluster, run ` + "`mkube tour`" + `.

In the pictures, the new components of a step are marked, and the components of later steps are faint. An arrow points from
a component to the components that need it.
`

// closed returns a text with a newline at its end, unless the text is empty.
func closed(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}
