//go:build !unix

package cli

import "github.com/mkube/mkube/pkg/provider"

// sizesOf returns no sizes: only Unix reports that a terminal has changed.
func sizesOf(int) (sizes <-chan provider.TerminalSize, stop func()) { return nil, func() {} }
