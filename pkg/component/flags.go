package component

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/mkube/mkube/pkg/config"
)

// A Flag is one flag of a component, with the reason why mkube sets it.
type Flag struct {
	Name, Value string
	// Why is the reason for a learner, in one or two sentences. All flags of the components are
	// documented at https://kubernetes.io/docs/reference/command-line-tools-reference/.
	Why string
	// Joined is set if the value is a list of KEY=VALUE that comes from the cluster's configuration.
	// The user's extraArgs add to it, and replace single keys.
	Joined bool
}

// Args returns a component's flags as arguments. The flags of mkube come first, in order, with
// the values that the user's extraArgs override. The user's other flags follow, in alphabetical
// order.
func Args(cfg config.Cluster, component string, flags []Flag) []string {
	args := Overridden(cfg, component, flags)
	for name, value := range cfg.ExtraArgs[component] {
		if !slices.ContainsFunc(flags, func(f Flag) bool { return f.Name == name }) {
			args = append(args, "--"+name+"="+value)
		}
	}
	sort.Strings(args[len(flags):])
	return args
}

// Overridden returns flags as arguments, in order, with the values that the user's extraArgs of a
// component override.
func Overridden(cfg config.Cluster, component string, flags []Flag) []string {
	var args []string
	for _, f := range flags {
		value := f.Value
		if v, ok := cfg.ExtraArgs[component][f.Name]; ok {
			if f.Joined {
				v = value + "," + v // the later of two equal keys counts
			}
			value = v
		}
		args = append(args, "--"+f.Name+"="+value)
	}
	return args
}

// Without returns flags without those of mkube that a flag of the user's excludes: excluded has
// their names by the name of the user's flag.
func Without(cfg config.Cluster, component string, flags []Flag, excluded map[string][]string) []Flag {
	return slices.DeleteFunc(flags, func(f Flag) bool {
		for name, others := range excluded {
			if _, set := cfg.ExtraArgs[component][name]; set && slices.Contains(others, f.Name) {
				return true
			}
		}
		return false
	})
}

// WithArgs returns a configuration with only those of the user's flags of a component that keep
// accepts. A component that translates the others into a file must not get them as arguments.
func WithArgs(cfg config.Cluster, component string, keep func(flag string) bool) config.Cluster {
	cfg.ExtraArgs = maps.Clone(cfg.ExtraArgs)
	args := maps.Clone(cfg.ExtraArgs[component])
	maps.DeleteFunc(args, func(flag, _ string) bool { return !keep(flag) })
	if cfg.ExtraArgs != nil {
		cfg.ExtraArgs[component] = args
	}
	return cfg
}

// Environment quotes arguments for a variable of an environment file, so that systemd splits the
// variable into the same arguments. See systemd.exec(5), EnvironmentFile=.
func Environment(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(arg) + "'"
	}
	return Quote(strings.Join(quoted, " "))
}

// Quote quotes a value for an environment file of systemd, see systemd.exec(5), EnvironmentFile=.
func Quote(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(value) + `"`
}

// CipherSuites returns the cipher suites of TLS 1.2 that servers accept: those that the CIS
// Kubernetes Benchmark lists. The suites of TLS 1.3 cannot be chosen.
func CipherSuites() []string {
	return []string{
		"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
		"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
	}
}

// NoProfiling returns the flag that turns off a component's profiling. It would be available on
// the port of the component's metrics.
func NoProfiling() Flag {
	return Flag{Name: "profiling", Value: "false", Why: "Profiles show what the program does, and to collect them takes time. Nothing in a cluster needs them."}
}

// FeatureGates returns the flag with the cluster's feature gates, or no flag if the
// configuration has none.
func FeatureGates(cfg config.Cluster) []Flag {
	if len(cfg.FeatureGates) == 0 {
		return nil
	}
	var gates []string
	for name, on := range cfg.FeatureGates {
		gates = append(gates, fmt.Sprintf("%s=%t", name, on))
	}
	sort.Strings(gates)
	return []Flag{{Name: "feature-gates", Value: strings.Join(gates, ","), Why: "These feature gates come from the cluster's configuration.", Joined: true}}
}

// LeaderElect returns the flag for leader election, which a component must win before it works.
// With one control plane there is only one instance, and the election would only delay its start
// by seconds.
func LeaderElect(controlPlanes int) Flag {
	return Flag{Name: "leader-elect", Value: fmt.Sprint(controlPlanes > 1), Why: "Only one instance may be active. With one control plane there is no other, and an election would only delay the start by seconds."}
}
