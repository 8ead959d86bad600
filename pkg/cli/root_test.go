package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestUsage checks the messages about usage errors, which need no provider.
func TestUsage(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"crate cluster": `Error: unknown command "crate" of mkube: did you mean "create"?
See mkube --help
`,
		"xyzzy": `Error: unknown command "xyzzy" of mkube
See mkube --help
`,
		"get clutsers": `Error: unknown command "clutsers" of mkube get: did you mean "clusters"?
See mkube get --help
`,
		"get": `Error: mkube get needs a subcommand: clusters, kubeconfig or nodes
See mkube get --help
`,
		"create": `Error: mkube create needs a subcommand: cluster
See mkube create --help
`,
		"create cluster --wiat 3m": `Error: unknown flag --wiat of mkube create cluster: did you mean --wait?
See mkube create cluster --help
`,
		"create cluster --xyzzy": `Error: unknown flag --xyzzy of mkube create cluster
See mkube create cluster --help
`,
		"create cluster -x": `Error: unknown flag -x of mkube create cluster
See mkube create cluster --help
`,
		"create cluster --wait": `Error: flag needs an argument: --wait
See mkube create cluster --help
`,
		"create cluster --wait soon": `Error: invalid argument "soon" for "--wait" flag: time: invalid duration "soon"
See mkube create cluster --help
`,
		"create cluster blue": `Error: unexpected argument "blue" of mkube create cluster: set the cluster's name with --name
See mkube create cluster --help
`,
		"create cluster --progress loud": `Error: --progress: unknown progress mode "loud": choose auto, tty, plain or json
See mkube create cluster --help
`,
		"get clusters blue": `Error: unexpected argument "blue" of mkube get clusters
See mkube get clusters --help
`,
		"get nodes -o table": `Error: --output must be wide, json, yaml or name, not "table"
See mkube get nodes --help
`,
		"delete cluster a b": `Error: mkube delete cluster takes one name, not 2: mkube delete clusters takes several
See mkube delete cluster --help
`,
		"delete cluster a --name b": `Error: two names are given, "b" and "a": give one
See mkube delete cluster --help
`,
		"delete clusters": `Error: mkube delete clusters needs names or --all
See mkube delete clusters --help
`,
		"delete clusters a --all": `Error: names and --all cannot be combined
See mkube delete clusters --help
`,
		"load image": `Error: mkube load image needs at least one image
See mkube load image --help
`,
		"load archive": `Error: mkube load archive needs at least one file, or "-" for standard input
See mkube load archive --help
`,
		"export logs a b": `Error: mkube export logs takes one folder, not 2
See mkube export logs --help
`,
		"exec": `Error: mkube exec needs a node and a command
See mkube exec --help
`,
		"exec control-plane --": `Error: mkube exec needs a node and a command
See mkube exec --help
`,
		"exec a b -- ls": `Error: mkube exec takes one node before the --, not 2
See mkube exec --help
`,
		"kubectl": `Error: mkube kubectl needs arguments for kubectl
See mkube kubectl --help
`,
		"build node-image --kubernetes-version 1.37": `Error: --kubernetes-version must be a release such as v1.37.2, not "1.37"
`,
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.want(t, w.run(t, line), Usage, "", want)
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if code := w.run(t, ""); code != OK {
		t.Errorf("exit code %d", code)
	}
	want := `mkube creates Kubernetes clusters whose nodes are containers or virtual machines.

The name of a cluster is --name, or else $MKUBE_CLUSTER_NAME, or else "mkube".
Exit codes: 0 success, 1 failure, 2 usage error, 130 interrupted.

Usage:
  mkube [command]

Examples:
  mkube create cluster
  kubectl get nodes --context mkube-mkube
  mkube delete cluster

Clusters:
  add         Add a node to a cluster
  build       Build the node image
  create      Create a cluster
  delete      Delete clusters or nodes
  exec        Run a command on a node
  export      Export the kubeconfig or the logs of a cluster
  get         Print clusters, nodes or a kubeconfig
  kubectl     Run kubectl on a cluster's control plane
  load        Load images into the nodes of a cluster
  renew       Renew the certificates of a cluster
  start       Start a stopped cluster
  stop        Stop a cluster

Learning what a cluster is made of:
  break       Cause a fault in a cluster, for you to find and fix
  diff        Show what a stage has added to a cluster
  etcd        Show what a cluster stores in etcd
  explain     Explain what a component of Kubernetes does, and how mkube runs it
  fix         Fix a cluster that mkube break has broken
  graph       Draw the graph of a cluster's components
  pki         Show the certificates of a cluster
  run         Run your own program in place of a component
  stage       Build a cluster one component at a time
  tour        Walk through a Kubernetes control plane, one component at a time
  trace       Show how a pod came to run
  tree        Show an object and the objects that it owns

Additional Commands:
  completion  Generate the autocompletion script for the specified shell
  docs        Write the reference of the commands
  help        Help about any command
  version     Print the versions of mkube and its default Kubernetes release

Flags:
  -h, --help      help for mkube
  -v, --version   version for mkube

Use "mkube [command] --help" for more information about a command.
`
	if got := w.out.String(); got != want {
		t.Errorf("got\n%s", got)
	}
}

// TestEveryCommandHasItsHelp checks that every command that can be run has a description and an
// example.
func TestEveryCommandHasItsHelp(t *testing.T) {
	t.Parallel()
	var walk func(*cobra.Command)
	seen := 0
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.HasSubCommands() {
			return
		}
		seen++
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short is %q", c.CommandPath(), c.Short)
		}
		for line := range strings.Lines(c.Example) {
			if !strings.Contains(line, c.CommandPath()) {
				t.Errorf("%s: the example %q is of another command", c.CommandPath(), line)
			}
		}
		if c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Long) {
			if len(line) > 81 {
				t.Errorf("%s: this line of Long is too long: %q", c.CommandPath(), line)
			}
		}
	}
	walk(newWorld(t).root())
	if seen != 37 {
		t.Errorf("there are %d commands, want 37", seen)
	}
}

func TestAlternatives(t *testing.T) {
	t.Parallel()
	for want, words := range map[string][]string{"a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		if got := alternatives(words); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
