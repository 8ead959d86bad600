package suggest

import (
	"strings"
	"testing"
)

func TestClosest(t *testing.T) {
	t.Parallel()
	words := []string{"name", "nodes", "networking", "podSubnet", "kube-scheduler", "kube-proxy", "TCP", "v"}
	tests := []struct{ word, want string }{
		{"podSubnet", "podSubnet"},
		{"podsubnet", "podSubnet"},   // case
		{"podSubnets", "podSubnet"},  // one more
		{"podSubne", "podSubnet"},    // one less
		{"pod_ubnet", "podSubnet"},   // one changed
		{"podSubnte", "podSubnet"},   // two swapped
		{"opdSubnte", "podSubnet"},   // twice
		{"netwrok", ""},              // four slips in ten letters
		{"netwroking", "networking"}, //
		{"kubescheduler", "kube-scheduler"},
		{"tcp", "TCP"},
		{"TPC", "TCP"},
		{"UCP", "TCP"},
		{"ICMP", ""}, // two slips in three letters
		{"x", ""},
		{"", ""},
		{"nöme", ""},
		{strings.Repeat("name", 1<<18), ""},
	}
	for _, tt := range tests {
		if got := Closest(tt.word, words); got != tt.want {
			t.Errorf("%.20q: got %q, want %q", tt.word, got, tt.want)
		}
	}
	if got := Closest("node", []string{"nodes"}); got != "nodes" { // a prefix
		t.Errorf("a beginning: got %q", got)
	}
	if got := Closest("word", nil); got != "" {
		t.Errorf("among none: got %q", got)
	}
}

func TestDistanceIsSymmetric(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "acb", 1},
		{"ca", "abc", 3},
		{"kitten", "sitting", 3},
		{"role", "rule", 1},
	}
	for _, tt := range tests {
		for _, got := range []int{distance(tt.a, tt.b, 3), distance(tt.b, tt.a, 3)} {
			if got != tt.want {
				t.Errorf("%q and %q: got %d, want %d", tt.a, tt.b, got, tt.want)
			}
		}
	}
	if got := distance("kitten", "sitting", 2); got != tooMany {
		t.Errorf("beyond the limit: got %d", got)
	}
}

func TestClosestCommand(t *testing.T) {
	t.Parallel()
	words := []string{"clusters", "kubeconfig", "nodes", "name", "no-switch-context", "wait"}
	for word, want := range map[string]string{
		"clustres": "clusters", "CLUSTERS": "clusters", "cluster": "clusters", "kubecfg": "",
		"kube": "kubeconfig", "node": "nodes", "nmae": "name", "wiat": "wait", "weight": "",
		"no-switch": "no-switch-context", "": "", "x": "", "zzzz": "",
	} {
		if got := Closest(word, words); got != want {
			t.Errorf("closest to %q is %q, want %q", word, got, want)
		}
	}
}
