package main

import "github.com/spf13/cobra"

func cacheCommand() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Look into the cache of a running notyet, or make it forget",
		Long:  "cache shows what a running notyet has cached for a name, makes it forget, and tells how full it is.",
		Example: `  notyet cache show www.example.com
  notyet cache flush www.example.com
  notyet cache flush --zone example.com --negative
  notyet cache stats`,
	}
	r.register(cmd.PersistentFlags())
	jsonFlag(cmd.PersistentFlags(), &r.json)
	cmd.AddCommand(cacheShowCommand(&r), cacheFlushCommand(&r), cacheStatsCommand(&r))
	group(cmd)
	return cmd
}
