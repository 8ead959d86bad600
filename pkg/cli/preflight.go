package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/provider"
)

// ignoreOptions is the flag --ignore-preflight-errors.
type ignoreOptions struct{ names []string }

// ignoreFlag adds the flag. It is the same as kubeadm's, see
// https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-init/.
func ignoreFlag(cmd *cobra.Command, o *ignoreOptions) {
	cmd.Flags().StringSliceVar(&o.names, provider.IgnoreFlag, nil,
		"preflight checks whose errors become warnings, separated by commas: "+strings.Join(provider.Checks(), ", ")+`, or "all"`)
	// This fails only for an unknown flag or a second registration.
	_ = cmd.RegisterFlagCompletionFunc(provider.IgnoreFlag, completeChecks)
}

// ignored returns the checks whose errors are ignored.
func (o ignoreOptions) ignored() (provider.Ignored, error) {
	ignored, err := provider.ParseIgnored(o.names)
	if err != nil {
		return ignored, &usageError{err: err}
	}
	return ignored, nil
}

// args returns the flag as an argument, or nothing if it is not set.
func (o ignoreOptions) args() []string {
	if len(o.names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("--%s=%s", provider.IgnoreFlag, strings.Join(o.names, ","))}
}

// completeChecks completes a list of checks that are separated by commas. "all" is only offered as
// the first element.
func completeChecks(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	before := listed(begun)
	known := provider.Checks()
	if before == "" {
		known = append(known, "all")
	}
	var list []string
	for _, name := range subtract(known, strings.Split(before, ",")) {
		list = append(list, before+name)
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
