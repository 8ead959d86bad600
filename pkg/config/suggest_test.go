package config

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
		{"UCP", ""}, // short words must be right
		{"x", ""},
		{"", ""},
		{"nöme", ""},
		{strings.Repeat("name", 1<<18), ""},
	}
	for _, tt := range tests {
		if got := closest(tt.word, words); got != tt.want {
			t.Errorf("%.20q: got %q, want %q", tt.word, got, tt.want)
		}
	}
	if got := closest("word", nil); got != "" {
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
		for _, got := range []int{distance(tt.a, tt.b, 9), distance(tt.b, tt.a, 9)} {
			if got != tt.want {
				t.Errorf("%q and %q: got %d, want %d", tt.a, tt.b, got, tt.want)
			}
		}
	}
	if got := distance("kitten", "sitting", 2); got <= 2 {
		t.Errorf("beyond the limit: got %d", got)
	}
}
