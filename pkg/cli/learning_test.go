package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/learn/fault"
	"github.com/mkube/mkube/pkg/learn/stages"
	"github.com/mkube/mkube/pkg/learn/tour"
	"github.com/mkube/mkube/pkg/provider"
)

// output runs mkube in a world, and returns its output and its exit code.
func (w *world) output(t *testing.T, args ...string) (out, err string, code Code) {
	t.Helper()
	w.out.Reset()
	w.err.Reset()
	code = w.main(t.Context(), args)
	return w.out.String(), w.err.String(), code
}

// TestExplain checks that every component is explained with its flags, files and ports, without a
// cluster or an engine.
func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list, _, code := w.output(t, "explain")
	if code != OK || !strings.Contains(list, "\nkube-scheduler ") {
		t.Fatalf("explain exits with %d:\n%s", code, list)
	}
	for _, name := range components() {
		out, stderr, code := w.output(t, "explain", name)
		if code != OK || !strings.HasPrefix(out, name+" ") || !strings.Contains(out, "\nLESSON\n") || !strings.Contains(out, "\nWORKS BY IT\n") {
			t.Errorf("explain %s exits with %d: %s\n%s", name, code, stderr, out)
		}
	}
	out, _, _ := w.output(t, "explain", "kube-apiserver")
	for _, part := range []string{
		"  once these serve:  etcd\n", "  before:            node-registration, kube-controller-manager,",
		"  --secure-port=6443\n      This is the only port. Since Kubernetes 1.20, there is none without TLS.\n",
		"  /etc/kubernetes/manifests/kube-apiserver.yaml ", "  6443  TCP  all clients: kubectl",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("explain kube-apiserver does not say %q:\n%s", part, out)
		}
	}
}

func TestLearningMistakes(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"explain kublet":                    `Error: unknown component "kublet": did you mean "kubelet"?; the components are containerd, cni, kubelet,`,
		"explain a b":                       "Error: mkube explain takes one component, not 2\n",
		"stage nxt":                         "Error: unknown command \"nxt\" of mkube stage: did you mean \"next\"?\n",
		"stage next --until kube-proxi":     `Error: unknown component "kube-proxi": did you mean "kube-proxy"?`,
		"create cluster --until kube-proxi": `Error: unknown component "kube-proxi": did you mean "kube-proxy"?`,
		"diff --from ectd":                  `Error: unknown component "ectd": did you mean "etcd"?`,
		"break scheduler-stoped":            `Error: unknown fault "scheduler-stoped": did you mean "scheduler-stopped"?`,
		"break a b":                         "Error: mkube break takes one fault, not 2\n",
		"break --check scheduler-stopped":   "Error: --list and --check take no fault: they cover all faults\n",
		"fix nothing":                       `Error: unknown fault "nothing"; the faults are runtime-stopped,`,
		"run":                               "Error: mkube run needs one component: mkube explain lists them\n",
		"run kube-scheduler -- -v":          "Error: arguments require a program of your own: set --binary\n",
		"run schedulr --binary x":           `Error: unknown component "schedulr"`,
		"tour --box x":                      "Error: --vagrant-provider and --box require --provider vagrant\n",
		"tour there":                        "Error: unexpected argument \"there\" of mkube tour: set the cluster's name with --name\n",
	} {
		w := newWorld(t)
		if _, stderr, code := w.output(t, strings.Fields(args)...); code != Usage || !strings.HasPrefix(stderr, want) {
			t.Errorf("mkube %s exits with %d: %s", args, code, stderr)
		}
	}
	for _, args := range []string{"stage", "stage next", "stage back", "stage check", "diff", "break", "break --check", "fix"} {
		w := newWorld(t, "other")
		want := "Error: cluster \"mkube\" does not exist: mkube create cluster --name mkube creates it; existing clusters: other\n"
		if _, stderr, code := w.output(t, strings.Fields(args)...); code != Failed || stderr != want {
			t.Errorf("mkube %s exits with %d: %s", args, code, stderr)
		}
	}
}

func TestBreakList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names, _, _ := w.output(t, "break", "--list", "-o", "name")
	if n := strings.Count(names, "\n"); n < 12 {
		t.Errorf("there are %d faults:\n%s", n, names)
	}
	table, _, code := w.output(t, "break", "--list")
	if code != OK || strings.Count(table, "\n") != strings.Count(names, "\n")+1 {
		t.Errorf("the table is\n%s", table)
	}
}

// TestBreakThatFails checks that fix knows a fault that break may have caused in part.
func TestBreakThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := &fake.Provider{Programs: map[string]fake.Program{
		"sh": func(_ context.Context, _ *fake.Node, cmd provider.Cmd) (int, error) {
			if strings.Contains(strings.Join(cmd.Args, " "), "kube-scheduler") {
				return 123, nil // the command that causes the fault
			}
			return 0, nil
		},
	}}
	c := componenttest.ClusterOf(t, config.Cluster{}, p)
	w.provider = func() (provider.Provider, error) { return p, nil }
	w.open = func(context.Context, provider.Provider, string) (*cluster.Cluster, error) { return c, nil }
	if _, stderr, code := w.output(t, "break", "scheduler-stopped"); code != Failed || !strings.Contains(stderr, "causing fault scheduler-stopped: ") {
		t.Fatalf("break exits with %d: %s", code, stderr)
	}
	f, _ := c.Nodes[0].(*fake.Node).File("/etc/mkube/notes/faults")
	if string(f.Data) != "scheduler-stopped mkube-control-plane\n" {
		t.Errorf("what is noted of it is %q", f.Data)
	}
}

// TestChosenFault checks what break breaks, on a cluster with a worker.
func TestChosenFault(t *testing.T) {
	t.Parallel()
	c := componenttest.ClusterOf(t, config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}, &fake.Provider{})
	for args, want := range map[[2]string]string{
		{"kubelet-stopped", ""}:                     "kubelet-stopped mkube-control-plane",
		{"kubelet-stopped", "worker"}:               "kubelet-stopped mkube-worker",
		{"kubelet-stopped", "mkube-worker"}:         "kubelet-stopped mkube-worker",
		{"kubelet-stopped", "x"}:                    `cluster "mkube" has no node "x"; its nodes are mkube-control-plane, mkube-worker`,
		{"scheduler-stopped", "worker"}:             "kube-scheduler does not run on mkube-worker: choose mkube-control-plane",
		{"dns-has-no-pods", ""}:                     "dns-has-no-pods",
		{"dns-has-no-pods", "worker"}:               "fault dns-has-no-pods is in the API, and not on a node: leave out --node",
		{"a fault of a component that is not", "x"}: `fault a fault of a component that is not is in a component that cluster "mkube" does not have yet: mkube stage lists the components`,
	} {
		i, err := chosenFault(c, breakOptions{node: args[1]}, args[0])
		if got := componenttest.Message(err); got != want && (err != nil || i.String() != want) {
			t.Errorf("break %s --node %q: %s %v; want %s", args[0], args[1], i, err, want)
		}
	}
}

// TestRandomFault checks that break chooses among all faults and nodes, and that a seed repeats the
// choice.
func TestRandomFault(t *testing.T) {
	t.Parallel()
	c := componenttest.ClusterOf(t, config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}, &fake.Provider{})
	chosen := map[string]bool{}
	for seed := range uint64(500) {
		var names [2]string
		for n := range names {
			i, err := chosenFault(c, breakOptions{seed: seed + 1}, "")
			if err != nil {
				t.Fatal(err)
			}
			names[n] = i.String()
		}
		if names[0] != names[1] {
			t.Errorf("seed %d chooses %s and %s", seed+1, names[0], names[1])
		}
		if i, err := chosenFault(c, breakOptions{node: "worker"}, ""); err != nil || i.Node() != "mkube-worker" {
			t.Errorf("--node worker chooses %s, %v", i, err)
		}
		chosen[names[0]] = true
	}
	if all := fault.Instances(c, bootstrap.Built(c)); len(chosen) != len(all) {
		t.Errorf("500 seeds choose %d of %d places", len(chosen), len(all))
	}
}

// TestLinesToFix checks the order in which fix fixes what break has noted.
func TestLinesToFix(t *testing.T) {
	t.Parallel()
	noted := []string{"a mkube-worker", "b", "a mkube-worker2"}
	for one, want := range map[string][]string{
		"":  {"a mkube-worker2", "b", "a mkube-worker"},
		"a": {"a mkube-worker2", "a mkube-worker"},
		"c": {"c"}, // fixed anyway
	} {
		if got := linesToFix(noted, one); !slices.Equal(got, want) {
			t.Errorf("fix %s: %q; want %q", one, got, want)
		}
	}
	if got := linesToFix(nil, ""); len(got) != 0 {
		t.Errorf("nothing is broken, but fix fixes %q", got)
	}
}

// TestFindings checks that a line that several faults have in common appears once, with the hints
// of the fault that break caused.
func TestFindings(t *testing.T) {
	t.Parallel()
	var list []fault.Instance
	for _, f := range []fault.Fault{
		{Name: "a", Component: "kubelet"}, {Name: "b", Component: "kubelet", Symptom: "Odd.", Hints: []string{"one", "two"}},
		{Name: "c", Component: "etcd"}, {Name: "d", Component: "etcd"},
	} {
		f.InAPI = true // without a node
		list = append(list, fault.Instance{Fault: f})
	}
	broken := []error{errors.New("no answer"), errors.New("no answer"), nil, errors.New("full")}
	want := "kubelet: no answer\n  Odd.\n  - one\n  - two\netcd: full\n"
	if got := findings(list, broken, []string{"b", "c"}); got != want {
		t.Errorf("findings = %q; want %q", got, want)
	}
}

func TestDifference(t *testing.T) {
	t.Parallel()
	a := stages.Snapshot{
		Files:     map[string]string{"/a": "1", "/b": "1", "/gone": "1"},
		Processes: map[string][]string{"kubelet": {"--config=x"}},
		Sockets:   []string{"tcp *:1 a"},
		Objects:   []string{"Node n"},
	}
	b := stages.Snapshot{
		Files:     map[string]string{"/a": "1", "/b": "2", "/c": "1"},
		Processes: map[string][]string{"kubelet": {"--config=x", "--kubeconfig=y"}, "etcd": {"--name=n"}},
		Sockets:   []string{"tcp *:1 a", "tcp *:2 b"},
		Objects:   []string{"Node n", "Role a/1", "Role a/2", "Role a/3", "Role a/4", "Role a/5", "Role a/6", "Role a/7", "Pod p/x"},
	}
	want := `FILES
  ~ /b
  + /c
  - /gone
PROCESSES
  + etcd
      + --name=n
  ~ kubelet
      + --kubeconfig=y
LISTENING
  + tcp *:2 b
OBJECTS
  + Role: 7, such as a/1
  + Pod p/x
`
	if got := difference(a, b); got != want {
		t.Errorf("difference = \n%s", got)
	}
	if got := difference(a, a); got != "" {
		t.Errorf("of the same, difference = %s", got)
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	if got, want := wrap("one two\nthree  four averyverylongword x", 9), "one two\nthree\nfour\naveryverylongword\nx"; got != want {
		t.Errorf("wrap = %q; want %q", got, want)
	}
}

// TestTourList checks that the steps are listed without a cluster.
func TestTourList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out, _, code := w.output(t, "tour", "--list")
	if code != OK || !strings.HasPrefix(out, " 1  node ") || !strings.Contains(out, "\n12  second-node ") {
		t.Errorf("tour --list exits with %d:\n%s", code, out)
	}
}

// TestTourOfMachines checks that the tour's own create gets the flags, and that no other command
// changes.
func TestTourOfMachines(t *testing.T) {
	t.Parallel()
	o := providerOptions{provider: vagrantName, hypervisor: "libvirt", box: "a box", cpus: 4, memory: 3000}
	read := func(flags []string) (creates, others []string) {
		steps, err := tour.Steps()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range madeOf(steps, flags) {
			for _, c := range s.Commands() {
				if strings.HasPrefix(c.Script, "mkube create") {
					creates = append(creates, c.Script)
				} else {
					others = append(others, c.Script)
				}
			}
		}
		return creates, others
	}
	plain, before := read(providerOptions{provider: dockerName}.args())
	creates, others := read(o.args())
	if want := []string{plain[0] + " --provider vagrant --vagrant-provider libvirt --box 'a box' --cpus 4 --memory 3000"}; !slices.Equal(creates, want) {
		t.Errorf("the tour creates by %q; want %q", creates, want)
	}
	if len(before) == 0 || !slices.Equal(others, before) {
		t.Errorf("other commands are %q; want %q", others, before)
	}
}

// TestIndenter checks that each line is indented and the last one is completed, however the output
// is divided.
func TestIndenter(t *testing.T) {
	t.Parallel()
	for want, pieces := range map[string][]string{
		"": nil, "  a\n  b\n": {"a\nb\n"}, "  ab\n  \n  c\n": {"a", "b\n", "\nc"}, "  a\n  bc\n": {"a\n", "b", "c"},
	} {
		var b strings.Builder
		i := &indenter{w: &b}
		for _, p := range pieces {
			if n, err := i.Write([]byte(p)); n != len(p) || err != nil {
				t.Errorf("Write = %d, %v", n, err)
			}
		}
		i.end()
		if b.String() != want {
			t.Errorf("of %q it writes %q; want %q", pieces, b.String(), want)
		}
		if got := indent(strings.Join(pieces, "")); got != want {
			t.Errorf("indent of the same = %q; want %q", got, want)
		}
	}
}
