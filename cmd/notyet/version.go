package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "version prints the version of notyet, of Go, and the platform it was built for.",
		Example: "  notyet version",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), version()); err != nil {
				return failure{err}
			}
			return nil
		},
	}
}

// version is notyet's own version, that of Go, and the platform. A build outside a module's release is devel.
func version() string {
	own := "devel"
	if build, ok := debug.ReadBuildInfo(); ok && build.Main.Version != "" && build.Main.Version != "(devel)" {
		own = build.Main.Version
	}
	return fmt.Sprintf("notyet %s %s %s/%s", own, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
