-- Matomo's Contents.getContentNames.
{{ matomo_contents_by('content_name') }}
