{% macro matomo_policies(privacy) -%}
    {#- The policies of `privacy`: a list of {policy, sites}; the default is the first and has no
        sites. The options of a site take precedence over those of its profile, these over the
        default's; fields to drop are added up. -#}
    {%- set problem = matomo_privacy_problem(privacy) -%}
    {%- if problem is not none -%}
        {%- do exceptions.raise_compiler_error(problem) -%}
    {%- endif -%}
    {%- set policies = [] -%}
    {%- set default = privacy.get('default') or {} -%}
    {%- set sites = [(none, {})] + (privacy.get('sites') or {}).items() | list -%}
    {%- for site, own in sites -%}
        {%- set own = own or {} -%}
        {#- A site with its own profile inherits nothing: `none` removes the whole default. -#}
        {%- set layers = ([] if 'profile' in own else [default])
            + [matomo_privacy_profiles()[own.get('profile', 'none')], own] -%}
        {%- if 'profile' not in own -%}
            {%- do layers.insert(0, matomo_privacy_profiles()[default.get('profile', 'none')]) -%}
        {%- endif -%}
        {%- set policy = {} -%}
        {%- for option, facts in matomo_privacy_options().items() -%}
            {%- set said = namespace(value=facts.default) -%}
            {%- for layer in layers if option in layer -%}
                {%- set said.value = said.value + layer[option]
                    if option == 'drop_fields' else layer[option] -%}
            {%- endfor -%}
            {%- do policy.update({option: said.value}) -%}
        {%- endfor -%}
        {%- set same = policies | selectattr('policy', 'equalto', policy) | list -%}
        {%- if site is not none and same -%}
            {%- do same[0].sites.append(site | int) -%}
        {%- else -%}
            {%- do policies.append(
                {'policy': policy, 'sites': [] if site is none else [site | int]}
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(policies) -%}
{%- endmacro %}
