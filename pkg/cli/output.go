package cli

import (
	"encoding/json"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// Output formats. If the format is empty, a command prints text.
const (
	formatJSON = "json"
	formatYAML = "yaml"
	formatName = "name"
	formatWide = "wide"
)

func outputFlag(cmd *cobra.Command, format *string, formats ...string) {
	cmd.Flags().StringVarP(format, "output", "o", "", "output format: "+alternatives(formats))
	// This fails only for an unknown flag or a second registration.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	before := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if *format != "" && !slices.Contains(formats, *format) {
			return usagef(cmd, "--output must be %s, not %q", alternatives(formats), *format)
		}
		return before(cmd, args)
	}
}

// print writes a result as JSON or YAML. For any other format, it calls text.
func (a app) print(format string, result any, text func()) error {
	var data []byte
	var err error
	switch format {
	case formatJSON:
		data, err = json.MarshalIndent(result, "", "  ")
		data = append(data, '\n')
	case formatYAML:
		data, err = yaml.Marshal(result)
	default:
		text()
	}
	if err != nil {
		return err
	}
	_, err = a.out.Write(data)
	return err
}
